"""What went wrong in a run, in the words that a person needs."""

import re

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

_OF_ERRORS = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ENGINE_EVENT}


def first_line(error: SerializableErrorInfo | None) -> str:
    """The first line of what an error came of."""
    while error and error.cause:
        error = error.cause
    line = error.message.strip().splitlines()[0] if error else "no message"
    # Dagster puts the class of the error before its words; a person needs the words.
    return re.sub(r"^[\w.]+(Error|Exception|Failure): ", "", line)


def errors_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """A line for each step that failed, and for what kept the run from its steps."""
    lines = []
    for record in instance.get_records_for_run(run_id, of_type=_OF_ERRORS).records:
        event = record.event_log_entry.get_dagster_event()
        error = getattr(event.event_specific_data, "error", None)
        if error:
            lines.append(": ".join(filter(None, (event.step_key, first_line(error)))))
    return lines

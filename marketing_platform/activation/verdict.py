"""What an answer means for the rows of a batch. Pure: no clock, no network, no database."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from marketing_platform.activation.claims import Claim
from marketing_platform.activation.settle import Outcome
from marketing_platform.destinations import Answer, Destination, Row, RowAnswer, may_repeat

UNKNOWN = "unknown outcome"
AFTER_CRASH = f"{UNKNOWN} after a crash"
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Verdict:
    """How a batch is settled: `rows` differ from `default`, `groups` are tried again at once.

    `notes` are the answers that say more of a row than its outcome. `is_doubtful`: a call after
    which any of the rows may have arrived.
    """

    default: Outcome | None
    rows: Mapping[str, Outcome] = field(default_factory=dict)
    groups: Sequence[Sequence[Row]] = ()
    notes: Mapping[str, RowAnswer] = field(default_factory=dict)
    is_doubtful: bool = False


def judge(answer: Answer, claimed: Claim, destination: Destination, now: dt.datetime) -> Verdict:
    """The verdict on a batch after the last call of this run."""
    if answer.kind == "accepted":
        verdict = _accepted(answer, claimed, destination, now)
    elif answer.kind == "refused":
        verdict = _refused(answer, claimed, destination, now)
    else:
        named = {
            key: _of_row(row, answer, claimed, destination, now) for key, row in answer.rows.items()
        }
        verdict = Verdict(_later(answer, claimed, destination, now), named, notes=_notes(answer))
    return replace(verdict, is_doubtful=answer.may_have_arrived)


def unknown() -> Verdict:
    """For a batch of a dead dispatcher where sending it again could tell somebody twice."""
    return Verdict(Outcome("failed", AFTER_CRASH, may_have_arrived=True))


def untried(reason: str, now: dt.datetime) -> Verdict:
    """For a batch that was claimed but not sent: the next run may have it."""
    return Verdict(Outcome("deferred", reason, now, is_counted=False))


def pause_seconds(attempts: int) -> float:
    """How long a row waits for another run: one minute, then four times as long each time."""
    return float(min(_FIRST_PAUSE_SECONDS * 4 ** max(attempts - 1, 0), _LONGEST_PAUSE_SECONDS))


def _accepted(
    answer: Answer, claimed: Claim, destination: Destination, now: dt.datetime
) -> Verdict:
    if not answer.rows:
        return Verdict(Outcome("sent"))
    unnamed = Answer("retry", "the answer does not name this row", may_have_arrived=True)
    default = None
    if len(answer.rows) < len(claimed.batch.rows):
        default = _later(unnamed, claimed, destination, now)
    rows = {
        key: _of_row(row, answer, claimed, destination, now) for key, row in answer.rows.items()
    }
    if default is None:
        # One statement settles what became of most of them.
        [(default, _)] = Counter(rows.values()).most_common(1)
        rows = {key: outcome for key, outcome in rows.items() if outcome != default}
    return Verdict(default, rows, notes=_notes(answer))


def _refused(answer: Answer, claimed: Claim, destination: Destination, now: dt.datetime) -> Verdict:
    """The named rows are settled; if none is named, halving the batch finds the bad ones."""
    rows = claimed.batch.rows
    if answer.rows:
        named = {
            key: _of_row(row, answer, claimed, destination, now) for key, row in answer.rows.items()
        }
        left = [row for row in rows if row.key not in named]
        return Verdict(None, named, (left,), _notes(answer))
    if len(rows) == 1:
        return Verdict(Outcome("failed", answer.reason))
    middle = len(rows) // 2
    return Verdict(None, groups=(rows[:middle], rows[middle:]))


def _notes(answer: Answer) -> dict[str, RowAnswer]:
    return {k: row for k, row in answer.rows.items() if row.vendor_id or row.suppresses}


def _of_row(
    row: RowAnswer, answer: Answer, claimed: Claim, destination: Destination, now: dt.datetime
) -> Outcome:
    if row.status in ("later", "unknown"):
        doubtful = row.status == "unknown"
        return _later(
            Answer("retry", row.message, may_have_arrived=doubtful), claimed, destination, now
        )
    if row.status == "error":
        return Outcome("failed", row.message or answer.reason or "refused without a reason")
    return Outcome("sent", "duplicate" if row.status == "duplicate" else None)


def _later(answer: Answer, claimed: Claim, destination: Destination, now: dt.datetime) -> Outcome:
    if answer.may_have_arrived and not may_repeat(destination, claimed.batch.audience):
        return Outcome("failed", f"{UNKNOWN}: {answer.reason}", may_have_arrived=True)
    wait = answer.wait_seconds
    if answer.kind == "stop":
        wait = 0.0
    elif wait is None:
        wait = pause_seconds(claimed.attempts)
    return Outcome(
        "deferred",
        answer.reason,
        now + dt.timedelta(seconds=wait),
        may_have_arrived=answer.may_have_arrived,
        is_counted=answer.is_counted,
        fails_after=destination.max_attempts if answer.is_counted else None,
    )

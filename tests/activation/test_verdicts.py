"""What an answer means for each row of a batch, without a database."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from small_shop import Standing

from marketing_platform.activation.claims import Claim
from marketing_platform.activation.settle import Outcome
from marketing_platform.activation.verdict import (
    AFTER_CRASH,
    UNKNOWN,
    Verdict,
    judge,
    pause_seconds,
    unknown,
    untried,
)
from marketing_platform.destinations import Answer, Batch, Row, RowAnswer

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
ROWS = [Row(f"k{number}", "add", f"c{number}", {}) for number in range(5)]


def verdict(
    answer: Answer, rows: list[Row] = ROWS, *, attempts: int = 1, is_idempotent: bool = True
) -> Verdict:
    crm: Any = Standing("crm", "audience", lambda _: answer)
    crm.is_idempotent = is_idempotent
    return judge(
        answer, Claim(Batch("b", "crm", "vips", rows), len(rows), attempts, False), crm, NOW
    )


def outcomes(found: Verdict, rows: list[Row] = ROWS) -> dict[str, Outcome | None]:
    """What becomes of each row; of one that is tried again at once None."""
    again = {row.key for group in found.groups for row in group}
    return {
        row.key: None if row.key in again else found.rows.get(row.key, found.default)
        for row in rows
    }


def later(seconds: float, reason: str, **more: Any) -> Outcome:
    told = {"may_have_arrived": False, "fails_after": 3, **more}
    return Outcome("deferred", reason, NOW + dt.timedelta(seconds=seconds), **told)


def test_a_batch_is_sent_but_for_what_its_answer_says_of_rows() -> None:
    sent = Outcome("sent")
    assert outcomes(verdict(Answer("accepted"))) == {row.key: sent for row in ROWS}
    told = {
        "k0": RowAnswer("ok"),
        "k1": RowAnswer("duplicate"),
        "k2": RowAnswer("error", "no such country"),
        "k3": RowAnswer("later", "busy"),
        "k4": RowAnswer("error"),
    }
    assert outcomes(verdict(Answer("accepted", rows=told))) == {
        "k0": sent,
        "k1": Outcome("sent", "duplicate"),
        "k2": Outcome("failed", "no such country"),
        "k3": later(60, "busy"),
        "k4": Outcome("failed", "refused without a reason"),
    }


@pytest.mark.parametrize("is_idempotent", [True, False])
def test_a_row_of_which_nothing_certain_is_said_is_sent_again_only_where_that_does_no_harm(
    is_idempotent: bool,
) -> None:
    told = {"k0": RowAnswer("ok"), "k1": RowAnswer("unknown", "broken off")}
    found = outcomes(verdict(Answer("accepted", rows=told), is_idempotent=is_idempotent))
    unnamed = "the answer does not name this row"
    for key, reason in (("k1", "broken off"), ("k2", unnamed), ("k4", unnamed)):
        doubtful = (
            later(60, reason, may_have_arrived=True)
            if is_idempotent
            else Outcome("failed", f"{UNKNOWN}: {reason}", may_have_arrived=True)
        )
        assert found[key] == doubtful
    assert found["k0"] == Outcome("sent")
    surely_not = verdict(Answer("retry", "busy"), is_idempotent=is_idempotent)
    assert surely_not.default == later(60, "busy")
    cut_off = Answer("refused", "bad", may_have_arrived=True)
    assert verdict(cut_off, is_idempotent=is_idempotent).is_doubtful, "an earlier call may have"


def test_what_a_destination_says_of_a_person_or_calls_a_message_is_noted() -> None:
    told = {
        "k0": RowAnswer("ok", vendor_id="SM1"),
        "k1": RowAnswer("error", suppresses="hard_bounce"),
        "k2": RowAnswer("ok"),
    }
    for kind in ("accepted", "refused", "retry"):
        found = verdict(Answer(kind, "no", rows=told))  # type: ignore[arg-type]
        assert found.notes == {"k0": told["k0"], "k1": told["k1"]}
        assert outcomes(found)["k1"] == Outcome("failed", "no")


def test_a_refused_batch_is_tried_again_without_the_rows_that_are_named_or_in_halves() -> None:
    named = verdict(Answer("refused", "bad", rows={"k1": RowAnswer("error", "no")}))
    assert outcomes(named) == dict.fromkeys(("k0", "k2", "k3", "k4")) | {
        "k1": Outcome("failed", "no")
    }
    halves = verdict(Answer("refused", "bad")).groups
    assert [row for half in halves for row in half] == ROWS
    assert [len(half) for half in halves] == [2, 3]
    alone = verdict(Answer("refused", "bad"), ROWS[:1])
    assert outcomes(alone, ROWS[:1]) == {"k0": Outcome("failed", "bad")}


def test_what_the_rows_had_no_part_in_is_due_with_the_next_run_and_costs_no_attempt() -> None:
    stopped = verdict(Answer("stop", "no key", wait_seconds=900.0, is_counted=False), attempts=5)
    assert stopped.default == later(0, "no key", is_counted=False, fails_after=None)
    asked = verdict(Answer("retry", "slow down", wait_seconds=900.0, is_counted=False))
    assert asked.default == later(900, "slow down", is_counted=False, fails_after=None)
    assert verdict(Answer("retry", "down"), attempts=3).default == later(960, "down")
    put_off = later(0, "the run was stopped", is_counted=False, fails_after=None)
    assert untried("the run was stopped", NOW).default == put_off
    assert unknown().default == Outcome("failed", AFTER_CRASH, may_have_arrived=True)


def test_each_pause_is_four_times_as_long_up_to_six_hours() -> None:
    minutes = [pause_seconds(attempts) / 60 for attempts in range(7)]
    assert minutes == [1, 1, 4, 16, 64, 256, 360]

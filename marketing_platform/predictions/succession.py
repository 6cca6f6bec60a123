"""Which model of a task reigns once a new one was trained: alike for all tasks.

Both are judged on the same held-out days. The reigning one has seen more of what came just before,
if anything, so that a tie is not lost to a lucky newcomer. It stays where the newcomer is worse
beyond noise, or fails where it passes; the newcomer is kept all the same, and says why.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketing_platform.errors import InputError
from marketing_platform.predictions.promotion import Decision

# Models of a task that are kept to go back to.
KEPT: Final = 12

# A model's row of `predictions.models`.
Row = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """How a model did on the days of the test: whether it may be used, and its metrics as JSON."""

    decision: Decision
    metrics: str


@dataclass(frozen=True)
class Verdict:
    """How the contest ended: who won, how the reigning one did, and why the new one did not win."""

    has_won: bool
    reigning: Judged
    refusal: Decision


@dataclass(frozen=True)
class Newcomer:
    """A model that was just trained: its row, and its verdict.

    There is none where nothing reigns that it could be held against.
    """

    row: Row
    verdict: Verdict | None = None


def own_test(row: Row) -> Judged:
    """What is told of a model since its own test."""
    return Judged(Decision(row["is_promoted"], row["reason"]), row["metrics"])


def judge(ours: Decision, reigning: Judged, worse: Decision | None) -> Verdict:
    """Who may be used goes before who may not; among equals the reigning one yields to no worse.

    `worse` says why the newcomer is worse beyond noise; None where it is not.
    """
    differ = ours.is_promoted != reigning.decision.is_promoted
    won = ours.is_promoted if differ else worse is None
    return Verdict(won, reigning, worse or ours)


def hold_against(
    ours: Decision,
    reigning: Row | None,
    day: dt.date,
    compare: Callable[[Row], tuple[Judged, Decision | None]],
) -> Verdict | None:
    """Hold a model that was trained on `day` against the reigning one.

    `compare` tests the other one on the same days, and says why ours is worse, if it is. One that
    was trained on the same day has learned from them by now, so its own test of then speaks for it.
    None where nothing reigns, or its file is gone: without that it can neither reign nor be
    compared with.
    """
    if reigning is None:
        return None
    if reigning["trained_as_of_date"] == day:
        return judge(ours, own_test(reigning), None)
    try:
        theirs, worse = compare(reigning)
    except InputError:
        return None
    return judge(ours, theirs, worse)


def succeed(
    known: Sequence[Row],
    newcomer: Newcomer,
    reigning: Row | None,
    *,
    is_pinned: bool,
    kept: int | None = None,
) -> list[Row]:
    """The rows of a task after a newcomer: the model that reigns from now on, and those before it.

    Of `known` the newest `kept` stay beside them (`KEPT` unless told). A pinned model reigns
    whatever came of the contest.
    """
    new = newcomer.row | {"standing": "champion"}
    verdict = newcomer.verdict
    staying = reigning if verdict else None
    version = staying["model_version"] if staying else None
    others = [row for row in known if row["model_version"] not in (new["model_version"], version)]
    others.sort(key=lambda row: row["trained_as_of_date"])
    others = others[-(KEPT if kept is None else kept) :]
    if staying is None or verdict is None or version == new["model_version"]:
        return [*map(_former, others), new]
    if verdict.has_won and not is_pinned:
        return [*map(_former, [*others, staying]), new]
    new |= {"standing": "challenger", "is_promoted": False}
    if not verdict.has_won:
        new["reason"] = verdict.refusal.reason
    stays = staying | {
        "standing": "champion",
        "is_promoted": verdict.reigning.decision.is_promoted,
        "reason": verdict.reigning.decision.reason,
        "metrics": verdict.reigning.metrics,
    }
    return [*map(_former, others), stays, new]


def _former(row: Row) -> Row:
    return row | {"standing": "former" if row["standing"] == "champion" else row["standing"]}

"""Which model reigns once a new one was trained, whatever came before and of the contest."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from marketing_platform.errors import InputError
from marketing_platform.predictions.promotion import Decision
from marketing_platform.predictions.succession import (
    Judged,
    Newcomer,
    Row,
    Verdict,
    hold_against,
    judge,
    succeed,
)

DAY = dt.date(2026, 1, 1)


def row(number: int, standing: str = "former", *, is_promoted: bool = True) -> Row:
    return {
        "model_version": f"m{number:02}",
        "trained_as_of_date": DAY + dt.timedelta(days=7 * number),
        "standing": standing,
        "is_promoted": is_promoted,
        "reason": f"reason {number}",
        "metrics": f"metrics {number}",
    }


@st.composite
def reigns(draw: st.DrawFn) -> dict[str, Any]:
    """Some models, one of whom reigns or none, a newcomer, and what came of the contest."""
    count = draw(st.integers(0, 6))
    known = [row(n, draw(st.sampled_from(("former", "challenger")))) for n in range(count)]
    reigning = None
    if known and draw(st.booleans()):
        reigning = draw(st.sampled_from(known))
        reigning["standing"] = "champion"
    # Trained on the same day from the same data it is the one that is known.
    number = draw(st.integers(0, count)) if count else 0
    theirs = Judged(Decision(draw(st.booleans()), "judged anew"), "new metrics")
    verdict = Verdict(draw(st.booleans()), theirs, Decision(False, "kept, but worse"))
    return {
        "known": draw(st.permutations(known)),
        "newcomer": Newcomer(row(number), draw(st.sampled_from((None, verdict)))),
        "reigning": reigning,
        "is_pinned": draw(st.booleans()),
        "kept": draw(st.integers(1, 4)),
    }


@given(reigns())
def test_one_model_reigns_and_the_newcomer_is_kept(given_: dict[str, Any]) -> None:
    known, kept = [dict(one) for one in given_["known"]], given_["kept"]
    rows = succeed(**given_)
    versions = [one["model_version"] for one in rows]
    assert len(versions) == len(set(versions))
    assert [one["standing"] for one in rows].count("champion") == 1
    assert given_["newcomer"].row["model_version"] in versions
    reigning, verdict = given_["reigning"], given_["newcomer"].verdict
    if reigning and verdict:
        assert reigning["model_version"] in versions, "there is a way back"
    # Of the others the newest are kept.
    apart = {given_["newcomer"].row["model_version"]}
    if reigning and verdict:
        apart.add(reigning["model_version"])
    others = [one["model_version"] for one in known if one["model_version"] not in apart]
    assert set(versions) - apart == set(sorted(others)[-kept:])
    # One that never reigned is not taken for one that did.
    was = {one["model_version"]: one["standing"] for one in known}
    for one in rows:
        if one["model_version"] not in apart:
            is_new = was[one["model_version"]] == "challenger"
            assert one["standing"] == ("challenger" if is_new else "former")


@given(reigns())
def test_who_reigns_follows_from_the_contest_and_the_pin(given_: dict[str, Any]) -> None:
    newcomer, reigning = given_["newcomer"], given_["reigning"]
    new, verdict = newcomer.row["model_version"], newcomer.verdict
    rows = {one["model_version"]: one for one in succeed(**given_)}
    if reigning is None or verdict is None or reigning["model_version"] == new:
        assert rows[new]["standing"] == "champion"
        return
    old = reigning["model_version"]
    if verdict.has_won and not given_["is_pinned"]:
        assert (rows[new]["standing"], rows[old]["standing"]) == ("champion", "former")
        return
    assert (rows[new]["standing"], rows[old]["standing"]) == ("challenger", "champion")
    assert not rows[new]["is_promoted"], "no score of it may be used"
    assert rows[old]["is_promoted"] == verdict.reigning.decision.is_promoted
    assert (rows[old]["reason"], rows[old]["metrics"]) == ("judged anew", "new metrics")
    said = "kept, but worse" if not verdict.has_won else newcomer.row["reason"]
    assert rows[new]["reason"] == said


@given(st.booleans(), st.booleans(), st.booleans())
def test_who_may_be_used_goes_before_who_may_not(ours: bool, theirs: bool, is_worse: bool) -> None:
    worse = Decision(False, "worse") if is_worse else None
    verdict = judge(Decision(ours, "ours"), Judged(Decision(theirs, "theirs"), "{}"), worse)
    assert verdict.has_won == (ours if ours != theirs else not is_worse)
    assert verdict.refusal.reason == ("worse" if is_worse else "ours")


def test_without_its_file_a_model_is_held_against_nothing() -> None:
    def gone(_: Row) -> tuple[Judged, Decision | None]:
        raise InputError("the model is missing")

    ours = Decision(True, "ours")
    assert hold_against(ours, row(1), DAY, gone) is None
    assert hold_against(ours, None, DAY, gone) is None
    # One of the same day is not tested again: it has learned from the days of the test.
    same = hold_against(ours, row(0, is_promoted=False), DAY, gone)
    assert same is not None
    assert same.has_won

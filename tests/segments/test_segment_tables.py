"""How memberships and sizes change from one build to the next, and which segments are held."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from segment_shop import AS_OF, SHIPPED, Shop

from marketing_platform.errors import InputError
from marketing_platform.segments.compile import compile_memberships
from marketing_platform.segments.load import load_segments
from marketing_platform.segments.tables import TABLES, build_memberships
from marketing_platform.warehouse.tables import tables_read

NEXT_DAY = AS_OF + dt.timedelta(days=1)
BUYERS = "{field: is_buyer, equals: true}"
LIKELY = "{prediction: churn_30d, score_at_least: 0.5}"


def buyer(name: str, **values: Any) -> dict[str, Any]:
    return {"customer_id": name, "is_buyer": True, **values}


def entered(shop: Shop) -> dict[str, dt.datetime]:
    build_memberships(shop.warehouse, shop.settings)
    rows = shop.warehouse.read("segments.memberships").sort("customer_id")
    return dict(zip(rows["customer_id"], rows["entered_at"], strict=True))


def test_who_stays_keeps_the_moment_of_entry_and_who_comes_back_enters_again(shop: Shop) -> None:
    shop.segment("buyers", BUYERS)
    shop.customers(buyer("anna"), buyer("bert"))
    assert entered(shop) == {"anna": AS_OF, "bert": AS_OF}

    shop.clock(NEXT_DAY)
    shop.customers(buyer("anna"), buyer("carl"))
    assert entered(shop) == {"anna": AS_OF, "carl": NEXT_DAY}

    shop.customers(buyer("anna"), buyer("bert"))
    assert entered(shop) == {"anna": AS_OF, "bert": NEXT_DAY}


def test_nobody_has_entered_after_a_clock_that_was_set_back(shop: Shop) -> None:
    shop.segment("buyers", BUYERS)
    shop.customers(buyer("anna"))
    shop.clock(NEXT_DAY)
    entered(shop)
    shop.clock(AS_OF)
    assert entered(shop) == {"anna": AS_OF}


def test_a_removed_file_takes_its_rows_out_of_both_tables(shop: Shop) -> None:
    shop.customers(buyer("anna"))
    shop.segment("buyers", BUYERS)
    shop.segment("others", BUYERS)
    assert set(shop.sizes()) == {"buyers", "others"}
    (shop.folder / "others.yaml").unlink()
    assert set(shop.sizes()) == {"buyers"}
    assert shop.warehouse.read("segments.memberships")["segment"].to_list() == ["buyers"]


@pytest.mark.parametrize("is_there", [True, False])
def test_without_segment_files_the_tables_are_empty(shop: Shop, is_there: bool) -> None:
    shop.customers(buyer("anna"))
    if not is_there:
        shop.folder.rmdir()
    assert shop.sizes() == {}
    assert shop.warehouse.read("segments.memberships").is_empty()


def test_sizes_count_empty_segments_and_give_shares_of_all_customers(shop: Shop) -> None:
    shop.customers(buyer("anna"), {"customer_id": "bert"})
    shop.segment("buyers", BUYERS, "Who\n  bought.")
    shop.segment("nobody", "{field: country, equals: XX}")
    sizes = shop.sizes()
    assert sizes["buyers"] == {
        "segment": "buyers",
        "description": "Who bought.",
        "member_count": 1,
        "customer_share": 0.5,
        "status": "ready",
        "held_reason": None,
        "previous_count": None,
        "evaluated_at": AS_OF,
        "definition": sizes["buyers"]["definition"],
        "warning": None,
    }
    assert (sizes["nobody"]["member_count"], sizes["nobody"]["customer_share"]) == (0, 0.0)


def test_a_shop_without_customers_has_empty_segments(shop: Shop) -> None:
    shop.segment("buyers", BUYERS)
    shop.segment("likely", LIKELY)
    sizes = shop.sizes()
    assert sizes["buyers"]["customer_share"] == 0.0
    assert sizes["likely"]["status"] == "ready"


def test_a_segment_is_held_with_the_reason_when_its_model_is_not_promoted(shop: Shop) -> None:
    shop.customers(buyer("anna"))
    score = {"customer_id": "anna", "score": 0.9, "model_version": "new", "is_promoted": False}
    shop.fill("predictions.churn_30d", score)
    model = {"task": "churn", "trained_as_of_date": AS_OF.date()}
    shop.fill(
        "predictions.models",
        {**model, "model_version": "new", "reason": "no better than recency"},
        {**model, "model_version": "other", "reason": "another reason"},
    )
    shop.segment("likely", LIKELY)
    shop.segment("likely_buyers", f"{{all: [{BUYERS}, {{not: {{not: {{segment: likely}}}}}}]}}")
    shop.segment("buyers", BUYERS)
    sizes = shop.sizes()
    reason = "churn_30d is not promoted: no better than recency"
    assert {name: row["held_reason"] for name, row in sizes.items()} == {
        "buyers": None,
        "likely": reason,
        "likely_buyers": reason,
    }
    assert sizes["likely_buyers"]["status"] == "held"
    assert sizes["likely_buyers"]["member_count"] == 1, "its members are still computed"


def test_the_reason_is_that_of_the_model_in_use_and_not_of_one_that_lost_to_it(shop: Shop) -> None:
    shop.customers(buyer("anna"))
    value = {"customer_id": "anna", "model_version": "old", "is_promoted": False}
    shop.fill("predictions.lifetime_value", value)
    model = {"task": "value", "is_promoted": False}
    early, late = AS_OF.date() - dt.timedelta(days=7), AS_OF.date()
    shop.fill(
        "predictions.models",
        {**model, "model_version": "old", "trained_as_of_date": early, "reason": "no better"},
        {**model, "model_version": "new", "trained_as_of_date": late, "reason": "kept, but worse"},
    )
    shop.segment("worthy", "{prediction: lifetime_value, column: band, one_of: [high]}")
    assert shop.sizes()["worthy"]["held_reason"] == "lifetime_value is not promoted: no better"


def test_a_segment_is_held_when_buyers_have_no_scores_at_all(shop: Shop) -> None:
    shop.customers(buyer("anna"))
    both = "{any: [{prediction: purchase_14d, band: high}, {prediction: churn_30d, band: high}]}"
    shop.segment("likely", both)
    shop.fill(
        "predictions.models",
        {"task": "churn", "model_version": "a", "is_promoted": False, "reason": "too few buyers"},
        {"task": "purchase", "model_version": "b", "is_promoted": True, "reason": "passed"},
    )
    assert shop.sizes()["likely"]["held_reason"] == (
        "churn_30d has no scores: too few buyers; purchase_14d has no scores"
    )


def test_a_segment_is_ready_when_its_model_is_promoted(shop: Shop) -> None:
    shop.customers(buyer("anna"))
    shop.fill("predictions.churn_30d", {"customer_id": "anna", "is_promoted": True})
    shop.segment("likely", LIKELY)
    assert shop.sizes()["likely"]["status"] == "ready"


def test_without_a_clock_memberships_stay_as_they_were(shop: Shop) -> None:
    shop.customers(buyer("anna"))
    shop.segment("buyers", BUYERS)
    before = entered(shop)
    shop.fill("core.clock")
    with pytest.raises(InputError, match=r"core\.clock: expected one moment, found 0"):
        build_memberships(shop.warehouse, shop.settings)
    rows = shop.warehouse.read("segments.memberships")
    assert dict(zip(rows["customer_id"], rows["entered_at"], strict=True)) == before


def test_the_tables_declare_what_they_read() -> None:
    memberships, stays, sizes = TABLES
    shipped = tables_read(compile_memberships(load_segments(SHIPPED)))
    assert set(shipped) <= set(memberships.reads)
    for table in (memberships, stays, sizes):
        assert table.reads == tuple(sorted(table.reads))

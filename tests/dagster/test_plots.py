"""What the plots of history count."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import pairwise

import dagster as dg
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.plots import DAILY_SIZES, lift_intervals, plot_of_ledger, plots_of, segment_sizes
from marketing_platform.activation import conservation, daily_sums, ledger_sums
from marketing_platform.contracts import contract_of
from marketing_platform.definitions import run_job
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse

START = dt.datetime(2026, 6, 1, 8)
STAYS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.none() | st.integers(0, 9)),
    min_size=1,
    max_size=30,
)


def warehouse_of(stays: list[tuple[str, int, int | None]]) -> Warehouse:
    rows = [
        {
            "segment": segment,
            "customer_id": str(place),
            "entered_at": START + dt.timedelta(days=entered),
            "left_at": None if stayed is None else START + dt.timedelta(days=entered + stayed),
            "why": None,
        }
        for place, (segment, entered, stayed) in enumerate(stays)
    ]
    warehouse = Warehouse(":memory:")
    schema = contract_of("segments.stays").empty().schema
    warehouse.replace("segments.stays", pl.DataFrame(rows, schema=schema))
    return warehouse


@given(STAYS)
def test_the_sizes_of_each_day_are_who_was_in_at_its_end(
    stays: list[tuple[str, int, int | None]],
) -> None:
    told = warehouse_of(stays).query(DAILY_SIZES)
    days = {day for _, entered, stayed in stays for day in (entered, entered + (stayed or 0))}
    assert {(segment, (day - START.date()).days) for segment, day, _ in told.rows()} == {
        (name, day) for name, entered, _ in stays for day in days if day >= entered
    }
    for segment, day, count in told.rows():
        ago = (day - START.date()).days
        wanted = Counter(
            name
            for name, entered, stayed in stays
            if entered <= ago and (stayed is None or entered + stayed > ago)
        )
        assert count == wanted[segment]


def test_a_history_of_one_day_or_of_few_is_not_drawn() -> None:
    many: list[tuple[str, int, int | None]] = [("a", 0, None)] * 40
    assert plots_of(warehouse_of(many), "segments.stays") == {}
    assert plots_of(warehouse_of([("a", 0, None), ("a", 3, None)]), "segments.stays") == {}
    assert "plot" in plots_of(warehouse_of([*many, ("a", 3, None)]), "segments.stays")


def test_the_sizes_of_segments_are_a_picture_where_they_have_more_than_a_few_members() -> None:
    for members, is_drawn in ((12, False), (40, True)):
        sizes = pl.DataFrame({"segment": ["a"], "member_count": [members], "status": ["ready"]})
        assert (segment_sizes(sizes) is not None) is is_drawn


def test_the_names_of_all_segments_of_a_shop_can_be_read_beside_their_bars() -> None:
    names = [f"a_segment_of_this_name_{place}" for place in range(60)]
    sizes = pl.DataFrame(
        {"segment": names, "member_count": range(40, 100), "status": ["ready"] * 60}
    )
    figure = segment_sizes(sizes)
    assert figure is not None
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(one.y1 <= above.y0 for one, above in pairwise(boxes))


def test_long_names_of_rules_leave_room_for_what_telling_is_worth() -> None:
    row = {
        "audience": "high_value_churn_risk_when_conversion_7d_dip.message",
        "destination": "klaviyo_of_the_netherlands", "finding": "buys_more",
        "buyer_share_difference": 0.08, "buyer_share_difference_low": 0.04,
        "buyer_share_difference_high": 0.13,
    }  # fmt: skip
    figure = lift_intervals(pl.DataFrame([row]))
    assert figure is not None
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_window_extent().width > 0.5 * figure.get_window_extent().width


def test_the_days_of_the_ledger_add_up_to_its_sums(built: Settings) -> None:
    assert plot_of_ledger({}) == {}
    assert run_job(built, "activation").success
    state = open_state(built.state_url.get_secret_value())
    daily = daily_sums(conservation(state), since=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert {name: sum(counts.values()) for name, counts in daily.items()} == {
        "sent": ledger_sums(state)["sent"]
    }
    assert ledger_sums(state)["sent"] == 12
    many = {state: dict.fromkeys(counts, 40) for state, counts in daily.items()}
    assert isinstance(plot_of_ledger(many)["plot"], dg.MarkdownMetadataValue)
    assert plot_of_ledger(daily) == {}, "a picture of twelve"

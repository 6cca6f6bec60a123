"""What those told and those held out are compared by, and what may be concluded."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from held_shop import AUGUST, JULY, buy, enter_again, held_out, ledger, lift, settings_of, told
from rich.console import Console
from small_shop import SEGMENT, SmallShop

from assets.plots import lift_intervals
from marketing_platform.activation import activate, plan_all
from marketing_platform.activation.suppression import suppress
from marketing_platform.commands.sending import show_lift
from marketing_platform.contracts import CONTRACTS
from marketing_platform.demo.receiver import Receiver
from marketing_platform.identity.edges import log_changes
from marketing_platform.pipeline import build_table
from marketing_platform.settings import Settings
from marketing_platform.state import messages, utc_now, writing


def test_who_could_not_be_told_anyway_is_in_neither_part(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25)
    barred = {f"c{i:05}" for i in range(0, 400, 2)}
    with writing(engine) as connection:
        suppress(connection, barred, "all", "erased", told_by="test", now=utc_now())
    activate(full.warehouse, engine, settings)
    assert not held_out(engine) & barred
    lift(full, settings)
    exposed = full.warehouse.read("activation.exposures")
    assert set(exposed["customer_id"]) == {f"c{i:05}" for i in range(400)} - barred


def test_purchases_of_both_parts_are_compared_in_the_days_after_the_plan(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.5)
    activate(full.warehouse, engine, settings)
    out, sent = held_out(engine), told(receiver)
    buyers, others = set(sorted(sent)[:90]), set(sorted(out)[:20])
    buy(full, buyers, "2025-06-05 00:00:00", 20)
    buy(full, others, "2025-06-05 00:00:00", 30)
    # Neither before the plan nor after the days.
    buy(full, sent, "2025-05-20 00:00:00")
    buy(full, out, "2025-06-16 00:00:00")
    [early] = lift(full, settings)
    assert early["waiting_count"] == 400
    assert early["finding"] == "too_few"
    assert early["told_buyer_share"] is None
    full.clock(JULY)
    [row] = lift(full, settings)
    assert (row["told_count"], row["held_out_count"]) == (len(sent), len(out))
    assert (row["told_buyer_count"], row["held_out_buyer_count"]) == (90, 20)
    assert row["buyer_share_difference"] == pytest.approx(90 / len(sent) - 20 / len(out))
    each = 90 * 20 / len(sent) - 20 * 30 / len(out)
    assert float(row["difference_amount"]) == pytest.approx(each, abs=0.01)
    assert float(row["brought_amount"]) == pytest.approx(each * len(sent), abs=0.01)
    assert row["finding"] == "buys_more"
    assert row["buyer_share_difference_low"] > 0


def test_who_bought_less_for_being_told_and_who_is_too_few_is_said(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.5)
    activate(full.warehouse, engine, settings)
    full.clock(JULY)
    buy(full, set(sorted(held_out(engine))[:24]), "2025-06-05 00:00:00")
    [row] = lift(full, settings)
    assert (row["finding"], row["buyer_share_difference_low"]) == ("too_few", None)
    buy(full, set(sorted(held_out(engine))[24:90]), "2025-06-05 00:00:00")
    [row] = lift(full, settings)
    assert row["finding"] == "buys_less"


def test_who_was_to_be_told_counts_as_told_where_the_message_failed(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25)
    plan_all(full.warehouse, engine, settings)
    with writing(engine) as connection:
        planned = sa.select(messages.c.message_key).where(messages.c.state == "planned").limit(50)
        keys = list(connection.execute(planned).scalars())
        stopped = {"state": "suppressed", "reason": "fatigue", "settled_at": utc_now()}
        connection.execute(
            sa.update(messages).where(messages.c.message_key.in_(keys)).values(stopped)
        )
    full.clock(JULY)
    [row] = lift(full, settings)
    assert row["told_count"] + row["held_out_count"] == 400


def test_another_share_begins_another_comparison(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    activate(full.warehouse, engine, settings_of(tmp_path, receiver, state_url, holdout=0.25))
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.5, repeat_after_days=0)
    enter_again(full, JULY)
    activate(full.warehouse, engine, settings)
    full.clock(AUGUST)
    [row] = lift(full, settings)
    assert row["since_at"] == dt.datetime(2025, 7, 1)
    assert row["told_count"] + row["held_out_count"] == 400
    assert row["finding"] != "not_as_drawn"


def test_who_was_told_before_the_holdout_began_is_in_neither_part_of_an_audience(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    old, new = [f"c{i:05}" for i in range(200)], [f"c{i:05}" for i in range(200, 400)]
    full.members(old)
    activate(full.warehouse, engine, settings_of(tmp_path, receiver, state_url, event=None))
    settings = settings_of(tmp_path, receiver, state_url, event=None, holdout=0.25)
    full.members([*old, *new])
    activate(full.warehouse, engine, settings)
    activate(full.warehouse, engine, settings)
    lift(full, settings)
    exposed = full.warehouse.read("activation.exposures")
    assert set(exposed["customer_id"]) == set(new)


def test_who_was_held_out_before_another_share_is_in_neither_part_of_an_audience(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    def rule(share: float) -> Settings:
        holdout = {"share": share, "bucket": "spring"}
        names = ("email", "first_name")
        return settings_of(
            tmp_path, receiver, state_url, event=None, holdout=holdout, attributes=names
        )

    old, new = [f"c{i:05}" for i in range(200)], [f"c{i:05}" for i in range(200, 400)]
    full.members(old)
    activate(full.warehouse, engine, rule(0.25))
    full.members([*old, *new])
    with full.warehouse.connect() as connection:
        # What changes of those who are held out is written down anew.
        connection.execute("update profiles.customers set first_name = 'Eve'")
    activate(full.warehouse, engine, rule(0.5))
    lift(full, rule(0.5))
    exposed = full.warehouse.read("activation.exposures")
    assert set(exposed["customer_id"]) == set(new)


def test_who_was_told_shortly_before_is_in_neither_part_whatever_was_drawn(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    activate(full.warehouse, engine, settings_of(tmp_path, receiver, state_url))
    enter_again(full, JULY)
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25)
    activate(full.warehouse, engine, settings)
    assert lift(full, settings) == []
    assert set(ledger(engine).filter(pl.col("state") == "suppressed")["reason"]) == {
        "told_recently"
    }


def test_merged_customers_count_once_as_they_were_drawn_first(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25)
    activate(full.warehouse, engine, settings)
    gone, kept = sorted(held_out(engine))[0], sorted(told(receiver))[0]
    with full.warehouse.connect() as connection:
        connection.execute(
            "update identity.contact_customers set customer_id = $kept where customer_id = $gone",
            {"kept": kept, "gone": gone},
        )
    change = {"kind": "merged", "customer_id": gone, "other_customer_id": kept}
    log_changes(engine, [{**change, "contact_count": 1, "contact_id": gone, "cause": "a test"}])
    full.clock(JULY)
    [row] = lift(full, settings)
    assert row["told_count"] + row["held_out_count"] == 399


def test_a_shop_without_a_holdout_has_nothing_to_compare(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url)
    activate(full.warehouse, engine, settings)
    assert lift(full, settings) == []


def test_what_telling_is_worth_is_told_in_words_as_data_and_as_a_picture(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data" / "warehouse.duckdb"
    path.parent.mkdir()
    shop = SmallShop(path)
    settings = settings_of(tmp_path, receiver, "sqlite://")
    expose(shop, held=200, people=400, share=0.5)
    shop.warehouse.ensure("profiles.orders")
    buy(shop, {f"c{i:05}" for i in range(180, 300)}, "2025-06-05 00:00:00", 25)
    build_table(shop.warehouse, settings, "activation.lift")
    printed = Console(file=io.StringIO(), width=120)
    show_lift(printed, settings, as_json=False)
    shown = printed.file.getvalue()  # type: ignore[attr-defined]
    assert shown == (
        "x -> crm: who is told buys more\n"
        "  200 told and 200 held out (50%) since 2025-06-01, 14 days each; 0 more whose days are"
        " not over\n"
        "  bought: 50.0% and 10.0%, +40.0 points (+19.7 to +60.3)\n"
        "  net revenue of a customer: 12.50 and 2.50; brought +2,000.00 (+983.11 to"
        " +3,016.89)\n"
        "no rule has a holdout; give one holdout: 0.1 to compare\n"
    )
    waits = settings_of(tmp_path, receiver, "sqlite://", holdout=0.1)
    show_lift(printed, waits, as_json=False)
    assert printed.file.getvalue().endswith(  # type: ignore[attr-defined]
        f"{SEGMENT}.event -> crm: nobody is counted yet; each run begins with whom the runs before"
        " it told\n"
    )
    show_lift(printed, settings, as_json=True)
    [row] = json.loads(capsys.readouterr().out)
    assert row["finding"] == "buys_more"
    figure = lift_intervals(shop.warehouse.read("activation.lift"))
    assert figure
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x\n-> crm"]
    assert lift_intervals(shop.warehouse.read("activation.lift").clear()) is None


def test_a_draw_that_is_off_its_share_is_said_and_nothing_is_concluded(
    full: SmallShop, tmp_path: Path, receiver: Receiver
) -> None:
    settings = settings_of(tmp_path, receiver, "sqlite://")
    expose(full, held=60, people=400, share=0.5)
    build_table(full.warehouse, settings, "activation.lift")
    [row] = full.warehouse.read("activation.lift").to_dicts()
    assert row["finding"] == "not_as_drawn"
    assert row["buyer_share_difference_low"] is None


def expose(shop: SmallShop, *, held: int, people: int, share: float) -> None:
    """Write who was told and who was held out, as of the first of June."""
    began = dt.datetime(2025, 6, 1)
    rows = pl.DataFrame(
        {
            "destination": "crm",
            "audience": "x",
            "customer_id": [f"c{i:05}" for i in range(people)],
            "is_held_out": [i < held for i in range(people)],
            "exposed_at": began,
            "until_at": began + dt.timedelta(days=14),
            "window_days": 14,
            "holdout_share": share,
        },
        schema_overrides={"window_days": pl.Int64},
    )
    shop.clock(JULY)
    shop.warehouse.replace(
        "activation.exposures",
        rows.select(list(CONTRACTS["activation.exposures"].columns)),
    )


RULES, PEOPLE, LOOKS = 150, 3_000, 20


def simulate(shop: SmallShop, effect: float) -> None:
    """Many rules that each expose some people a day; one in ten buys, more of those told."""
    with shop.warehouse.connect() as connection:
        connection.execute(
            """
            create or replace temp table people as
            select
                'rule' || rule as audience,
                rule || '-' || person as customer_id,
                timestamp '2025-06-01' + to_days((person * $looks // $people)::int) as exposed_at,
                hash(rule, person, 'part') % 1000 < 200 as is_held_out,
                hash(rule, person, 'buys') % 100000 < 10000 + 100000 * case
                    when hash(rule, person, 'part') % 1000 < 200 then 0 else $effect
                end as buys
            from range($rules) as rules(rule), range($people) as people(person)
            """,
            {"rules": RULES, "people": PEOPLE, "looks": LOOKS, "effect": effect},
        )
        connection.execute(
            "insert into activation.exposures by name select 'crm' as destination, audience,"
            " customer_id, is_held_out, exposed_at, exposed_at + interval 14 days as until_at,"
            " 14 as window_days, 0.2 as holdout_share from people"
        )
        connection.execute(
            "insert into profiles.orders by name select customer_id, customer_id as order_id,"
            " exposed_at + interval 1 day as ordered_at, exposed_at::date as order_date,"
            " 20 as gross_amount, 20 as spent_amount, 0 as refund_amount, 20 as net_amount,"
            " 0.0 as discount_share, false as is_discounted, 1 as quantity from people where buys"
        )


def looks(shop: SmallShop, settings: Settings) -> pl.DataFrame:
    """The comparison of all rules as it stood on each of the days."""
    found = []
    for day in range(LOOKS):
        shop.clock(f"{dt.datetime(2025, 6, 16) + dt.timedelta(days=day)}")
        build_table(shop.warehouse, settings, "activation.lift")
        found.append(shop.warehouse.read("activation.lift"))
    return pl.concat(found)


@pytest.fixture
def simulated(shop: SmallShop) -> SmallShop:
    for table in ("activation.exposures", "profiles.orders"):
        shop.warehouse.ensure(table)
    return shop


def test_a_rule_without_effect_is_not_found_to_have_one_however_often_one_looks(
    simulated: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    simulate(simulated, effect=0)
    seen = looks(simulated, settings_of(tmp_path, receiver, "sqlite://"))
    share = pl.col("told_buyer_share"), pl.col("held_out_buyer_share")
    error = (
        share[0] * (1 - share[0]) / pl.col("told_count")
        + share[1] * (1 - share[1]) / pl.col("held_out_count")
    ).sqrt()
    ever = seen.group_by("audience").agg(
        pl.col("finding").is_in(["buys_more", "buys_less"]).any().alias("ours"),
        (pl.col("buyer_share_difference").abs() > 1.96 * error).any().alias("plain"),
        pl.col("finding").is_in(["no_difference"]).any().alias("judged"),
    )
    assert ever["judged"].all()
    assert ever["ours"].mean() <= 0.05
    assert ever["plain"].mean() >= 0.15, "an interval for one look would mislead"


def test_a_rule_with_an_effect_is_found_and_its_size_lies_within_the_bounds(
    simulated: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    simulate(simulated, effect=0.08)
    seen = looks(simulated, settings_of(tmp_path, receiver, "sqlite://"))
    last = seen.filter(pl.col("told_count") + pl.col("held_out_count") == PEOPLE)
    assert (last["finding"] == "buys_more").mean() >= 0.9
    holds = seen.group_by("audience").agg(
        (
            (pl.col("buyer_share_difference_low") <= 0.08)
            & (pl.col("buyer_share_difference_high") >= 0.08)
        )
        .all()
        .alias("always"),
        ((pl.col("difference_low_amount") <= 1.6) & (pl.col("difference_high_amount") >= 1.6))
        .all()
        .alias("money"),
    )
    assert holds["always"].mean() >= 0.93
    assert holds["money"].mean() >= 0.93

"""Members who are told nothing, so that it shows what telling the others does."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from rich.console import Console
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import conservation, dispatch, plan_all
from marketing_platform.activation.exposures import build_exposures
from marketing_platform.commands.sending import show_uplift
from marketing_platform.contracts import CONTRACTS
from marketing_platform.demo.receiver import Receiver
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import messages, open_state, reading
from marketing_platform.warehouse import sql_tables

DAY = dt.timedelta(days=1)
BEGUN = dt.datetime(2025, 3, 1)


def settings_of(folder: Path, receiver: Receiver, share: float, **rule: Any) -> Settings:
    rules = [
        ActivationRule(
            segment=SEGMENT, destination=name, attributes=("email",), holdout_share=share, **rule
        )
        for name in ("crm", "ads")
    ]
    destinations = {name: webhook(receiver.url, batch_size=500) for name in ("crm", "ads")}
    return small_settings(folder, destinations, rules=rules, max_removal_share=1.0)


def held_out(engine: sa.Engine, destination: str) -> set[str]:
    statement = sa.select(messages.c.customer_id).where(
        messages.c.destination == destination, messages.c.reason == "holdout"
    )
    with reading(engine) as connection:
        return set(connection.execute(statement).scalars())


@pytest.mark.parametrize("mode", [{}, {"event": "Came back"}])
def test_a_share_of_the_members_is_told_nothing_anywhere_and_the_sums_add_up(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, mode: dict[str, str]
) -> None:
    shop.fill(2000)
    settings = settings_of(tmp_path, receiver, 0.2, **mode)
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings)
    out = held_out(engine, "crm")
    assert 340 < len(out) < 460
    assert held_out(engine, "ads") == out, "another tool tells them nothing either"
    told = {row["customer_id"] for row in receiver.received.rows.values()}
    assert len(told) == 2000 - len(out)
    assert not told & out
    for balance in conservation(engine):
        assert (balance.sent, balance.suppressed) == (2000 - len(out), len(out))
        assert balance.eligible == 2000
    again = plan_all(shop.warehouse, engine, settings)
    assert [plan.eligible_count for plan in again] == [0, 0]


def test_who_may_not_be_told_anyway_is_not_among_those_held_out(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.fill(400)
    with shop.warehouse.connect() as connection:
        connection.execute(
            "update profiles.customers set email = null where customer_id < 'c00200'"
        )
    rule = ActivationRule(
        segment=SEGMENT, destination="crm", attributes=("email",), holdout_share=0.5
    )
    crm = webhook(receiver.url).model_copy(update={"requires": ("email",)})
    plan_all(shop.warehouse, engine, small_settings(tmp_path, {"crm": crm}, rules=[rule]))
    out = held_out(engine, "crm")
    assert 60 < len(out) < 140
    assert min(out) >= "c00200"


def test_a_holdout_that_begins_later_takes_its_share_out_and_one_that_ends_gives_it_back(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.fill(300)
    counts = []
    for share in (0, 0.3, 0.3, 0):
        settings = settings_of(tmp_path, receiver, share)
        plan_all(shop.warehouse, engine, settings)
        dispatch(engine, settings)
        counts.append(len(receiver.received.audiences["crm", SEGMENT]))
    assert counts[0] == counts[3] == 300
    assert counts[1] == counts[2] == 300 - len(held_out(engine, "crm")) < 260


def fill(shop: SmallShop, table: str, rows: list[dict[str, Any]]) -> None:
    columns = CONTRACTS[table].columns
    empty = {pl.String: "x", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: False}
    series = [
        pl.Series(
            name,
            [row.get(name, empty.get(type(column.dtype), 0)) for row in rows],
            dtype=column.dtype,
            strict=False,
        )
        for name, column in columns.items()
        if name in rows[0] or not column.nullable
    ]
    whole = pl.DataFrame(series)
    missing = [
        pl.lit(None, column.dtype).alias(name)
        for name, column in columns.items()
        if name not in whole.columns
    ]
    shop.warehouse.replace(table, whole.with_columns(missing).select(list(columns)))


def uplift(
    shop: SmallShop, told: dict[str, dt.datetime], out: dict[str, dt.datetime], **orders: Any
) -> dict[str, Any]:
    """The row of a rule whose members were told, or held out, at these moments."""
    rows = [
        {"destination": "crm", "audience": SEGMENT, "customer_id": who, "told_at": told.get(who),
         "held_out_at": out.get(who)}
        for who in sorted({*told, *out})
    ]  # fmt: skip
    fill(shop, "activation.exposures", rows)
    bought = [
        {"order_id": f"{who}-{n}", "customer_id": who, "ordered_at": moment,
         "order_date": moment.date(), "net_amount": amount, "spent_amount": amount,
         "gross_amount": amount, "discount_share": 0.0}
        for who, made in orders.items()
        for n, (moment, amount) in enumerate(made)
    ]  # fmt: skip
    if bought:
        fill(shop, "profiles.orders", bought)
    else:
        shop.warehouse.ensure("profiles.orders")
    shop.warehouse.build("activation.uplift", sql_tables()["activation.uplift"].sql)
    (row,) = shop.warehouse.read("activation.uplift").to_dicts()
    return row


def test_purchases_of_14_days_are_set_against_those_of_who_was_held_out(shop: SmallShop) -> None:
    told = {f"t{n:03}": BEGUN + DAY for n in range(400)}
    out = {f"h{n:03}": BEGUN for n in range(100)}
    orders = {who: [(BEGUN + 3 * DAY, 30.0)] for who in list(told)[:80]}
    orders |= {who: [(BEGUN + 3 * DAY, 20.0)] for who in list(out)[:8]}
    orders["t399"] = [(BEGUN, 99.0), (BEGUN + 16 * DAY, 99.0)]  # before, and too late
    row = uplift(shop, told, out, **orders)
    assert (row["told_count"], row["held_out_count"]) == (400, 100)
    assert row["told_buyer_share"] == 0.2
    assert row["held_out_buyer_share"] == 0.08
    p, q = 81 / 402, 9 / 102
    margin = 1.96 * (p * (1 - p) / 402 + q * (1 - q) / 102) ** 0.5
    assert row["low_share_difference"] == pytest.approx(p - q - margin)
    assert row["high_share_difference"] == pytest.approx(p - q + margin)
    spent = np.array([30.0] * 80 + [0.0] * 320), np.array([20.0] * 8 + [0.0] * 92)
    error = sum(group.var(ddof=1) / len(group) for group in spent) ** 0.5
    assert row["told_mean_amount"] == pytest.approx(6)
    assert row["low_amount_difference"] == pytest.approx(6 - 1.6 - 1.96 * error)
    assert row["finding"] == "more of them buy than without"


def test_only_who_is_in_one_group_and_whose_time_is_over_is_counted(shop: SmallShop) -> None:
    clock = dt.datetime(2025, 6, 1)
    told = {
        "counted": BEGUN + DAY, "both": BEGUN + DAY, "before": BEGUN - DAY,
        "too late": clock - 13 * DAY,
    }  # fmt: skip
    row = uplift(shop, told, {"first": BEGUN, "both": BEGUN + 5 * DAY})
    assert (row["told_count"], row["held_out_count"]) == (1, 1)
    assert row["finding"] == "too few yet"


@pytest.mark.parametrize("seed", range(3))
def test_where_telling_changes_nothing_no_difference_is_found(shop: SmallShop, seed: int) -> None:
    rng = np.random.default_rng(seed)
    told = {f"t{n:04}": BEGUN + DAY for n in range(1500)}
    out = {f"h{n:04}": BEGUN for n in range(500)}
    orders = {who: [(BEGUN + 2 * DAY, 25.0)] for who in (*told, *out) if rng.random() < 0.1}
    assert uplift(shop, told, out, **orders)["finding"] == "no difference that is certain"


def test_the_ledger_says_who_was_told_and_who_was_held_out(
    shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.fill(200)
    settings = settings_of(tmp_path, receiver, 0.25).model_copy(
        update={"state_url": SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}")}
    )

    engine = open_state(settings.state_url.get_secret_value())
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings)
    build_exposures(shop.warehouse, settings)
    rows = shop.warehouse.read("activation.exposures")
    assert rows.height == 400
    assert rows.filter(pl.col("told_at").is_null() == pl.col("held_out_at").is_null()).is_empty()
    found = set(rows.filter(pl.col("held_out_at").is_not_null())["customer_id"])
    assert found == held_out(engine, "crm")
    build_exposures(shop.warehouse, settings_of(tmp_path, receiver, 0))
    assert shop.warehouse.read("activation.exposures").is_empty(), "no rule holds anybody out"


def test_the_command_says_what_telling_them_did(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(tmp_path, receiver, 0.2)
    settings.data_dir.mkdir()
    shop = SmallShop(settings.warehouse_path)
    told = {f"t{n:03}": BEGUN + DAY for n in range(400)}
    out = {f"h{n:03}": BEGUN for n in range(100)}
    orders = {who: [(BEGUN + 3 * DAY, 30.0)] for who in list(told)[:80]}
    row = uplift(shop, told, out, **orders)
    printed = io.StringIO()
    show_uplift(Console(file=printed, width=200), settings, as_json=False)
    assert printed.getvalue().splitlines() == [
        "winback -> crm: 400 told (20.0% bought), 100 held out (0.0% bought):"
        " more of them buy than without",
        "  of 100: +14.8 to +23.5 buyers; each: +4.82 to +7.18 EUR",
        "1 rule(s) hold members out",
    ]
    show_uplift(Console(), settings, as_json=True)
    assert json.loads(capsys.readouterr().out) == [row]

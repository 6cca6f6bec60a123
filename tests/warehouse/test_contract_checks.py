"""The two sides of a contract's checks: SQL finds exactly the rows that pandera finds wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.contract import (
    Column,
    contract,
    flag,
    integer,
    key,
    money,
    number,
    share,
    text,
)
from marketing_platform.warehouse import Warehouse

CONNECTION = duckdb.connect()
KINDS: dict[str, tuple[Column, st.SearchStrategy[Any]]] = {
    "key": (key(""), st.sampled_from(["", "a", " ", None])),
    "name": (text(""), st.sampled_from(["", "a", None])),
    "stage": (text("", one_of=("new", "it's")), st.sampled_from(["new", "it's", "", "x", None])),
    "maybe": (text("", nullable=True, one_of=("x",)), st.sampled_from(["x", "y", None])),
    "item_count": (integer("", ge=0, le=5), st.one_of(st.none(), st.integers(-2, 7))),
    "ratio": (number("", ge=0), st.one_of(st.none(), st.floats())),
    "slope": (number("", nullable=True), st.one_of(st.none(), st.floats())),
    "some_share": (share("", nullable=True), st.one_of(st.none(), st.floats(-1, 2))),
    "net_amount": (money("", ge=0), st.one_of(st.none(), st.decimals(-2, 2, places=2))),
    "is_open": (flag(""), st.sampled_from([True, False, None])),
}


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=30)
@given(st.data())
def test_sql_and_pandera_agree_on_every_value(name: str, data: st.DataObject) -> None:
    column, values = KINDS[name]
    value = data.draw(values)
    if isinstance(value, Decimal) and value.is_nan():
        return
    promised = contract("core.checked", {name: column})
    frame = pl.DataFrame({name: [value]}, schema={name: column.dtype})
    with CONNECTION.cursor() as connection:
        connection.register("checked", frame.to_arrow())
        broken = connection.execute(f"select count(*) from checked where {promised.broken}")
        found = broken.fetchone()
    assert found
    assert bool(found[0]) == bool(promised.violations(frame))


def test_every_check_of_every_contract_can_be_run_in_sql() -> None:
    warehouse = Warehouse(":memory:")
    for name, promised in CONTRACTS.items():
        warehouse.ensure(name)
        assert warehouse.query(f"select * from {name} where {promised.broken}").is_empty()

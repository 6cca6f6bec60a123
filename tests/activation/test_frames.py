"""A ledger of millions of rows is read without holding them all in Python."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import frames, plan_all
from marketing_platform.activation.ledger import known_messages
from marketing_platform.settings import ActivationRule
from marketing_platform.state import connect

SCHEMA = {"number": pl.Int64, "name": pl.String}


def test_rows_are_read_as_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_PART", 10)
    engine = connect(f"sqlite:///{tmp_path / 'state.db'}")
    read = 0

    def name_of(number: int) -> str:
        nonlocal read
        read += 1
        return f"customer {number}"

    with engine.connect() as connection, duckdb.connect() as warehouse:
        connection.connection.create_function("name_of", 1, name_of)  # type: ignore[attr-defined]
        many = sa.text(
            "with recursive numbers(i) as (select 1 union all select i + 1 from numbers"
            " where i < :rows) select i, name_of(i) from numbers"
        )
        parts = frames.frames(connection, many, SCHEMA, {"rows": 95})
        first = next(parts)
        assert first["number"].to_list() == list(range(1, 11))
        assert read <= 11
        warehouse.register("incoming", frames.as_stream(parts, SCHEMA))
        left = "select count(*), min(number), max(name) from incoming"
        assert warehouse.execute(left).fetchone() == (85, 11, "customer 95")
        whole = frames.frame_of(connection, many, SCHEMA, {"rows": 95})
        assert whole["number"].to_list() == list(range(1, 96))
        assert frames.frame_of(connection, sa.text("select 1, '' where 1 = 0"), SCHEMA).is_empty()


def test_a_ledger_of_more_than_one_part_is_known_whole(
    tmp_path: Path, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_PART", 2)
    shop = SmallShop()
    shop.fill(5)
    rule = ActivationRule(segment=SEGMENT, destination="crm", attributes=("email",))
    settings = small_settings(tmp_path, {"crm": webhook("http://127.0.0.1:9")}, rules=[rule])
    plan_all(shop.warehouse, engine, settings)
    found = known_messages(engine, "crm", SEGMENT)
    assert sorted(found["customer_id"]) == [f"c0000{number}" for number in range(5)]

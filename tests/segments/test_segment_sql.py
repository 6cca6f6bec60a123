"""What the compiled SQL looks like, and that no value of a rule can become SQL."""

from __future__ import annotations

import json

import pytest
import sqlglot
from segment_shop import SHIPPED, Shop, ago
from sqlglot import exp

from marketing_platform.segments.compile import compile_memberships, memberships_query
from marketing_platform.segments.load import load_segments

HOSTILE = [
    "'; drop table profiles.customers; --",
    "' or '1' = '1",
    'quo"ted',
    "back\\slash\\' or true --",
    "/* not a comment */ -- nor this",
    "$name ? %s {brace} :colon @at",
    "line\nbreak\ttab",
    "ünï ✓ 名前 \U0001f600",
    "%_wild",
    "null",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_only_a_value(shop: Shop, value: str) -> None:
    shop.customers({"customer_id": "it", "country": value}, {"customer_id": "b", "country": "x"})
    shop.events(("it", value, ago(days=1)))
    text = json.dumps(value, ensure_ascii=False)
    assert shop.members(f"{{field: country, equals: {text}}}") == {"it"}
    assert shop.members(f"{{field: country, one_of: [{text}]}}") == {"it"}
    assert shop.members(f"{{performed: {text}}}") == {"it"}
    assert shop.members(f"{{performed: {text}, not_followed_by: order_completed}}") == {"it"}
    assert shop.warehouse.read("profiles.customers").height == 2


@pytest.mark.parametrize("dialect", ["spark", "snowflake", "bigquery"])
@pytest.mark.parametrize("value", [None, *HOSTILE])
def test_the_query_can_be_carried_to_other_warehouses(
    shop: Shop, dialect: str, value: str | None
) -> None:
    segments = load_segments(SHIPPED)
    if value:
        shop.segment(
            "hostile", f"{{field: country, equals: {json.dumps(value, ensure_ascii=False)}}}"
        )
        segments = load_segments(shop.folder)
    tree = sqlglot.parse_one(compile_memberships(segments), read="duckdb")
    carried = sqlglot.parse_one(tree.sql(dialect=dialect), read=dialect)
    assert {"profiles", "core"} <= {table.db for table in carried.find_all(exp.Table)}
    if value:
        texts = {text.this for text in carried.find_all(exp.Literal) if text.is_string}
        assert value in texts


def test_events_are_read_once_whatever_the_number_of_segments(shop: Shop) -> None:
    for number in range(1, 9):
        shop.segment(f"s{number}", f"{{performed: product_viewed, within: {number}d}}")
    query = memberships_query(load_segments(shop.folder))
    tables = [f"{table.db}.{table.name}" for table in query.find_all(exp.Table)]
    assert tables.count("core.events") == 1
    assert tables.count("profiles.customers") == 1


def test_what_no_rule_asks_for_is_not_read(shop: Shop) -> None:
    shop.segment("buyers", "{field: is_buyer, equals: true}")
    query = memberships_query(load_segments(shop.folder))
    read = {f"{table.db}.{table.name}" for table in query.find_all(exp.Table) if table.db}
    assert read == {"core.clock", "profiles.customers"}


def test_a_long_chain_and_a_wide_rule_compile_and_run(shop: Shop) -> None:
    shop.customers({"customer_id": "anna", "country": "c1999"}, {"customer_id": "bert"})
    tests = ", ".join(f"{{field: country, equals: c{number}}}" for number in range(2000))
    shop.segment("s0", f"{{any: [{tests}]}}")
    for number in range(1, 120):
        before = f"{{segment: s{number - 1}}}"
        shop.segment(f"s{number}", f"{{any: [{before}, {{all: [{before}, {before}]}}]}}")
    members = shop.memberships()
    assert members["s0"] == members["s119"] == {"anna"}

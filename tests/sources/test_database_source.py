"""Any database as a source: real SQLite, and a real PostgreSQL where its programs are."""

from __future__ import annotations

import datetime as dt
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from staged_samples import stage

from marketing_platform.errors import ConfigError, SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.stream import Query, Window

MakeSettings = Callable[..., Settings]
JANUARY = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
CUSTOMERS = {
    "sql": 'select id, "E-mail" as mail, score, seen from people where seen >= :first'
    " and seen < :end order by id",
    "record_id": "id",
    "updated_at": "seen",
    "columns": {"source_contact_id": "id", "email": "mail"},
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A PostgreSQL of our own, whose sessions are not in UTC by themselves."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not folders:
        pytest.skip("no PostgreSQL programs on this machine")
    folder = Path(tempfile.mkdtemp(prefix="source-pg-", dir="/tmp"))
    as_user: list[str] = []
    if os.getuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(folders[0] / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder)

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "shop", "-A", "trust", "-N", "-E", "UTF8")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c timezone=Asia/Tokyo"
    run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://shop@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with people: one changed before January, two within it, one after."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'crm.db'}"
    else:
        url = request.getfixturevalue("postgres")
    moment = "text" if request.param == "sqlite" else "timestamptz"
    zone = "" if request.param == "sqlite" else "+00"
    engine = sa.create_engine(url)
    with engine.begin() as database:
        database.execute(sa.text("drop table if exists people"))
        database.execute(
            sa.text(
                'create table people (id bigint primary key, "E-mail" text,'
                f" score numeric(30, 10), seen {moment})"
            )
        )
        for key, seen in enumerate(
            ("2025-12-31 23:59:59", "2026-01-01 00:00:00", "2026-01-31 23:59:59", "2026-02-01")
        ):
            full = seen if " " in seen else f"{seen} 00:00:00"
            database.execute(
                sa.text("insert into people values (:key, :mail, 1.5, :seen)"),
                {"key": key, "mail": f"p{key}@example.com", "seen": f"{full}{zone}"},
            )
    engine.dispose()
    return url


def source(make_settings: MakeSettings, url: str, **queries: Any) -> ActiveSource:
    content = {"type": "database", "url": url, "queries": queries}
    (only,) = active_sources(make_settings(sources={"crm": content}))
    return only


def pulled(source: ActiveSource, stream: str, window: Window = JANUARY) -> list[dict[str, Any]]:
    walk = next(one.walk for one in source.streams if one.name == stream)
    assert isinstance(walk, Query)
    with duckdb.connect() as connection:
        connection.execute("set python_enable_replacements = false")
        select = walk.select(connection, source.settings, window)
        return [json.loads(row[0]) for row in connection.execute(select).fetchall()]


def test_the_rows_changed_within_the_window_are_read(make_settings: MakeSettings, url: str) -> None:
    rows = pulled(source(make_settings, url, contacts=CUSTOMERS), "contacts")
    assert [(row["id"], row["mail"]) for row in rows] == [
        (1, "p1@example.com"),
        (2, "p2@example.com"),
    ]
    moment = dt.datetime.fromisoformat(rows[0]["seen"])
    assert moment.replace(tzinfo=moment.tzinfo or dt.UTC) == JANUARY.first


def test_a_query_without_a_window_lists_everything(make_settings: MakeSettings, url: str) -> None:
    listing = {"sql": "select id from people", "record_id": "id"}
    shop = source(make_settings, url, contacts=listing)
    assert shop.streams[0].reads == "listing"
    assert len(pulled(shop, "contacts")) == 4


def test_many_rows_flow_through_in_batches(make_settings: MakeSettings, url: str) -> None:
    many = {
        "sql": "with recursive n(i) as (select 1 union all select i + 1 from n where i < 25000)"
        " select i from n",
        "record_id": "i",
    }
    rows = pulled(source(make_settings, url, products=many), "products")
    assert sorted(row["i"] for row in rows) == list(range(1, 25_001))


def test_a_query_that_the_database_refuses_is_told_in_one_line(
    make_settings: MakeSettings, url: str
) -> None:
    shop = source(make_settings, url, deals={"sql": "select size from nowhere", "record_id": "id"})
    with pytest.raises(SourceError, match="nowhere") as told:
        pulled(shop, "deals")
    assert "\n" not in str(told.value)


def test_a_column_is_found_under_the_name_that_the_mapping_gives(
    make_settings: MakeSettings, url: str
) -> None:
    (stream,) = source(make_settings, url, contacts=CUSTOMERS).streams
    paths = {field.name: field.paths for field in stream.fields}
    assert paths["email"] == ("$.mail",)
    assert paths["last_name"] == ("$.last_name",)
    assert stream.record_keys == ("$.id",)


@pytest.mark.parametrize(
    ("entity", "more", "reason"),
    [
        ("orders", {"order_status": "placed"}, None),
        ("orders", {}, "no order status"),
        ("order_items", {"unit_price_amount": "5.00"}, None),
        ("order_items", {"unit_price_amount": "5.00", "currency": None}, "no currency"),
        ("refunds", {}, None),
        ("refunds", {"currency": None}, "no currency"),
        ("refunds", {"quantity": -2}, "negative quantity"),
        ("ad_performance", {}, None),
        ("ad_performance", {"currency": None}, "no currency"),
    ],
)
def test_a_row_without_what_every_table_needs_is_held_back_alone(
    make_settings: MakeSettings, entity: str, more: dict[str, Any], reason: str | None
) -> None:
    row = {"id": 1, "source_order_id": "1", "source_order_item_id": "1", "source_refund_id": "1",
           "ordered_at": "2026-01-05T10:00:00", "refunded_at": "2026-01-09T10:00:00",
           "gross_amount": "10.00", "refund_amount": "5.00", "quantity": 2, "currency": "EUR",
           "performance_date": "2026-01-05", "source_campaign_id": "c", "cost_amount": "1.00",
           **more}  # fmt: skip
    given = {"url": "sqlite://", "queries": {entity: {"sql": "select 1", "record_id": "id"}}}
    rows = stage(make_settings, "database", given, {entity: [row]})
    outcome = "quarantined" if reason else "accepted"
    assert rows(entity, "outcome", "quarantine_reason") == [
        {"outcome": outcome, "quarantine_reason": reason}
    ]


def test_a_line_that_tells_its_price_or_its_amount_alone_has_both(
    make_settings: MakeSettings,
) -> None:
    line = {"source_order_id": "1", "source_order_item_id": "1", "currency": "EUR"}
    lines = [
        {**line, "id": 1, "quantity": 4, "unit_price_amount": "2.5000"},
        {**line, "id": 2, "quantity": 4, "line_amount": "10.00"},
        {**line, "id": 3, "quantity": 0, "line_amount": "10.00"},
    ]
    queries = {"order_items": {"sql": "select 1", "record_id": "id"}}
    given = {"url": "sqlite://", "queries": queries}
    rows = stage(make_settings, "database", given, {"order_items": lines})
    found = rows("order_items", "unit_price_amount", "line_amount")
    assert [tuple(map(float, row.values())) for row in found] == [(2.5, 10), (2.5, 10), (10, 10)]


@pytest.mark.parametrize(
    ("queries", "says"),
    [
        ({"people": {"sql": "select 1", "record_id": "id"}}, "no entity 'people'"),
        (
            {"deals": {"sql": "select 1", "record_id": "id", "columns": {"size": "s"}}},
            "no field 'size'",
        ),
        ({"deals": {"sql": "select :day", "record_id": "id"}}, "no parameter :day"),
        ({"deals": {"sql": "select :first", "record_id": "id"}}, "needs updated_at"),
        ({"deals": {"sql": "select 1", "record_id": []}}, "identifies a row"),
    ],
)
def test_a_mistake_in_a_query_is_told_with_its_key(
    make_settings: MakeSettings, queries: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        source(make_settings, "sqlite://", **queries)


def test_no_error_has_the_password(make_settings: MakeSettings) -> None:
    secret = "postgresql+psycopg://shop:hunter2@127.0.0.1:1/shop?connect_timeout=2"
    shop = source(make_settings, secret, contacts=CUSTOMERS)
    assert "hunter2" not in repr(shop.settings)
    with pytest.raises(SourceError) as told:
        pulled(shop, "contacts")
    assert "hunter2" not in str(told.value)
    assert shop.system.probe is not None
    with pytest.raises(SourceError) as told:
        shop.system.probe(None, shop.settings)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("kind", ["mysql", "nosuch"])
def test_a_database_without_a_driver_is_told_in_one_line(
    make_settings: MakeSettings, kind: str
) -> None:
    shop = source(make_settings, f"{kind}://shop:hunter2@127.0.0.1/shop", contacts=CUSTOMERS)
    assert shop.system.probe is not None
    for ask in (lambda: pulled(shop, "contacts"), lambda: shop.system.probe(None, shop.settings)):
        with pytest.raises(SourceError, match="Correct the query, or the url and its driver"):
            ask()

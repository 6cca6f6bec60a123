"""A table is replaced whole or not at all, and the file is left to others."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import ContractError
from marketing_platform.warehouse import Part, Warehouse
from marketing_platform.warehouse.opened import close_all

ROOT = Path(__file__).parents[2]
CUSTOMER = "select 'a' as contact_id, 'c' as customer_id"
TABLE = "identity.contact_customers"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (f"{CUSTOMER} union all {CUSTOMER}", "is unique fails for 1 row"),
        ("select null::varchar as contact_id, 'c' as customer_id", "not_nullable"),
        ("select '' as contact_id, 'c' as customer_id", "str_length"),
        ("select 1 as contact_id, 'c' as customer_id", "dtype"),
        ("select 'a' as contact_id", "column_in_dataframe"),
        (f"select *, 1 as extra from ({CUSTOMER})", "column_in_schema"),
    ],
)
def test_a_build_that_breaks_the_contract_leaves_the_table_of_before(
    warehouse: Warehouse, sql: str, found: str
) -> None:
    warehouse.build(TABLE, CUSTOMER)
    with pytest.raises(ContractError, match=found):
        warehouse.build(TABLE, sql)
    assert warehouse.read(TABLE).rows() == [("a", "c")]


def test_a_table_of_an_earlier_version_is_given_the_columns_of_today(warehouse: Warehouse) -> None:
    days = [dt.date(2026, 1, 5), dt.date(2026, 1, 6)]
    parts = [Part(day, day) for day in days]
    row = "'{0}' as event_id, 'shop' as source, 'seen' as event, timestamp '{0}' as occurred_at,"
    row += " date '{0}' as event_date"
    nulls = [name for name, column in CONTRACTS["core.events"].columns.items() if column.nullable]
    row += "".join(f", null::varchar as {name}" for name in nulls if name != "device_type")
    warehouse.build(
        "core.events", f"select {row.format(days[0])}, 'tv' as device_type", part=parts[0]
    )
    with warehouse.connect() as connection:
        connection.execute("alter table core.events drop column device_type")
        connection.execute("alter table core.events add column of_old_times integer")
    told = f"select {row.format(days[1])}, 'mobile' as device_type"
    warehouse.build("core.events", told, part=parts[1])
    events = warehouse.read("core.events").sort("event_date")
    assert events["device_type"].to_list() == [None, "mobile"]
    assert set(events.columns) == set(CONTRACTS["core.events"].columns)


def test_a_build_whose_sql_fails_leaves_the_table_of_before(warehouse: Warehouse) -> None:
    warehouse.build(TABLE, CUSTOMER)
    with pytest.raises(Exception, match="does not exist"):
        warehouse.build(TABLE, "select * from core.nothing")
    assert warehouse.read(TABLE).rows() == [("a", "c")]


def test_a_violation_in_a_late_chunk_is_found(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketing_platform.warehouse.database._CHUNK", 2048)
    sql = "select i::varchar as contact_id, case when i < 9000 then 'c' end as customer_id"
    with pytest.raises(ContractError, match="not_nullable fails for 1 row"):
        warehouse.build(TABLE, f"{sql} from range(9001) t(i)")


def test_an_empty_result_is_an_empty_table_not_an_error(warehouse: Warehouse) -> None:
    assert warehouse.build(TABLE, f"select * from ({CUSTOMER}) where false").row_count == 0
    assert warehouse.read(TABLE).schema == CONTRACTS[TABLE].empty().schema


def events(*days: int) -> pl.DataFrame:
    rows = [
        {"event_id": f"e{day}-{n}", "source": "s", "event": "product_viewed",
         "occurred_at": dt.datetime(2024, 1, day, n), "event_date": dt.date(2024, 1, day),
         "contact_id": None, "anonymous_id": "v", "product_id": None, "order_id": None}
        for day in days for n in range(2)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=CONTRACTS["core.events"].empty().schema)


def test_a_part_replaces_its_days_and_no_others(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", events(1, 2, 3))
    part = Part(dt.date(2024, 1, 2), dt.date(2024, 1, 2))
    built = warehouse.replace("core.events", events(2).head(1), part=part)
    assert (built.row_count, built.written_count) == (5, 1)
    warehouse.replace("core.events", events(2), part=part)
    assert warehouse.read("core.events").sort("event_id").equals(events(1, 2, 3))


def test_what_is_read_comes_back_as_it_was_written(warehouse: Warehouse) -> None:
    frame = events(1, 2)
    warehouse.replace("core.events", frame)
    assert warehouse.read("core.events").sort("event_id").equals(frame.sort("event_id"))


def run_beside(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def told_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_moment_after_its_last_use_anybody_can_open_the_file(warehouse: Warehouse) -> None:
    warehouse.build(TABLE, CUSTOMER)
    time.sleep(1)
    code = (
        f"import duckdb; print(duckdb.connect({warehouse.path!r}).sql('from {TABLE}').fetchall())"
    )
    with run_beside(code) as other:
        assert told_by(other) == "[('a', 'c')]"


def test_one_who_waits_has_the_file_from_one_who_always_uses_it(warehouse: Warehouse) -> None:
    warehouse.build(TABLE, CUSTOMER)
    code = (
        "from marketing_platform.warehouse import Warehouse; print('begun', flush=True);"
        f" print(Warehouse({warehouse.path!r}, lock_seconds=30).read({TABLE!r}).height, flush=True)"
    )
    with run_beside(code) as other:
        begun = threading.Thread(target=told_by, args=[other])
        begun.start()
        while other.poll() is None:
            # A step of a run takes less than the file stays open.
            warehouse.build(TABLE, CUSTOMER)
        begun.join()
        assert told_by(other) == "1"
    assert not Path(f"{warehouse.path}.wanted").exists(), "who got in takes its mark away"


def test_a_writer_waits_for_the_lock_of_another_process(warehouse: Warehouse) -> None:
    warehouse.build(TABLE, CUSTOMER)
    close_all()
    code = (
        f"import duckdb, time; c = duckdb.connect({warehouse.path!r});"
        " print('locked', flush=True); time.sleep(1.5); c.close()"
    )
    with run_beside(code) as other:
        assert told_by(other) == "locked"
        assert warehouse.build(TABLE, CUSTOMER).row_count == 1


def test_a_file_that_was_put_in_its_place_is_read(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.build(TABLE, CUSTOMER)
    other = Warehouse(tmp_path / "other" / "warehouse.duckdb")
    other.build(TABLE, CUSTOMER.replace("'c'", "'d'"))
    close_all()
    Path(other.path).replace(warehouse.path)
    assert warehouse.read(TABLE)["customer_id"].to_list() == ["d"]
    warehouse.build(TABLE, CUSTOMER)
    Path(warehouse.path).unlink()
    assert not warehouse.exists(TABLE)


def test_a_misnamed_table_is_an_error_even_if_a_python_object_has_its_name(
    warehouse: Warehouse,
) -> None:
    nothing_of_that_name = pl.DataFrame({"x": [1]})
    with pytest.raises(Exception, match="nothing_of_that_name"):
        warehouse.query("select * from nothing_of_that_name")
    assert nothing_of_that_name.height == 1


def test_a_program_that_ends_while_its_file_is_being_closed_ends_well(tmp_path: Path) -> None:
    # Each ends as Python ends; what they import, which takes a second, is imported once.
    script = """
import os, sys, time
from pathlib import Path
from marketing_platform.warehouse import Warehouse, opened
codes = []
for number in range(10):
    if child := os.fork():
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        continue
    Warehouse(Path(sys.argv[1]) / f"{number}.duckdb").query("select 1")
    time.sleep(opened._LINGER_SECONDS + number % 5 / 1000)
    sys.exit()
print(codes)
"""
    # A third of them died of it.
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True)
    codes = [0] * 10
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, b"", f"{codes}\n".encode())
    assert len(list(tmp_path.glob("*.duckdb"))) == 10

"""A table is replaced whole or not at all, and connections are always closed."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import ContractError
from marketing_platform.warehouse import Part, Warehouse

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


def test_a_second_process_can_open_the_file_at_once(warehouse: Warehouse) -> None:
    warehouse.build(TABLE, CUSTOMER)
    code = (
        f"import duckdb; print(duckdb.connect({warehouse.path!r}).sql('from {TABLE}').fetchall())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[('a', 'c')]"


def test_a_writer_waits_for_the_lock_of_another_process(warehouse: Warehouse) -> None:
    warehouse.build(TABLE, CUSTOMER)
    code = (
        f"import duckdb, time; c = duckdb.connect({warehouse.path!r});"
        " print('locked', flush=True); time.sleep(1.5); c.close()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "locked"
        assert warehouse.build(TABLE, CUSTOMER).row_count == 1


def test_a_misnamed_table_is_an_error_even_if_a_python_object_has_its_name(
    warehouse: Warehouse,
) -> None:
    nothing_of_that_name = pl.DataFrame({"x": [1]})
    with pytest.raises(Exception, match="nothing_of_that_name"):
        warehouse.query("select * from nothing_of_that_name")
    assert nothing_of_that_name.height == 1

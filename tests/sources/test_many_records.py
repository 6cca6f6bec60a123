"""Records on their way into the days of the lake, few or many."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path

import duckdb
from paged_shop import stream, window

from marketing_platform.lake import Lake, Stream
from marketing_platform.sources.json_lines import json_lines
from marketing_platform.sources.merge import merge
from marketing_platform.sources.records import Intake
from marketing_platform.sources.spool import Kept

YEARS = window("2015-01-01", "2026-01-01")


def received(connection: duckdb.DuckDBPyConnection, keys: str, mark: str) -> None:
    """Records of a kilobyte, their moments spread over 400 days in no order."""
    Intake(connection, stream())
    connection.execute(
        f"""
        insert into pulled
        select payload, record_key, moment, hash(payload)
        from (
            select '{{"id":' || n || ',"mark":"{mark}","text":"'
                    || repeat(md5(cast(n as varchar)), 32) || '"}}' as payload,
                cast(n as varchar) as record_key,
                timestamp '2016-01-01' + to_days(cast(hash(n) % 400 as int)) as moment
            from ({keys}) as keys(n)
        )
        """
    )


def stored(target: Stream, *columns: str) -> list[tuple[object, ...]]:
    listed = ", ".join(columns)
    return duckdb.sql(f"select {listed} from read_parquet('{target.pattern}')").fetchall()


def test_a_first_load_much_larger_than_the_memory_is_merged_and_changed(tmp_path: Path) -> None:
    target = Lake(tmp_path / "lake").stream("shop", "items")
    config = {"memory_limit": "192MB", "threads": 2, "temp_directory": str(tmp_path / "scratch")}
    loads = (("from range(150_000)", "first"), ("from range(0, 165_000, 10)", "later"))
    for keys, mark in loads:
        with duckdb.connect(":memory:", config=config) as connection:
            connection.execute("set TimeZone = 'UTC'")
            received(connection, keys, mark)
            merge(connection, target, stream(), YEARS, dt.datetime(2026, 1, 1))
    counted = stored(
        target,
        "count(*)",
        "count(distinct record_key)",
        "count(*) filter (where payload like '%later%')",
        "count(*) filter (where payload not like '{\"id\":' || record_key || ',%')",
    )
    # 15,000 records were changed where they lie, and 1,500 are new.
    assert counted == [(151_500, 151_500, 16_500, 0)]


def test_of_one_version_of_a_record_the_copy_that_came_last_is_kept(tmp_path: Path) -> None:
    target = Lake(tmp_path / "lake").stream("shop", "items")
    with duckdb.connect(":memory:") as connection:
        Intake(connection, stream())
        connection.execute("""
            insert into pulled
            select payload, key, timestamp '2026-01-01', hash(payload)
            from (
                select cast(n % 5000 as varchar) as key, cast(n as varchar) as payload
                from range(50000) as keys(n)
            )
        """)
        merge(connection, target, stream(), YEARS, dt.datetime(2026, 1, 1))
    kept = stored(target, "cast(record_key as int)", "cast(payload as int)")
    assert sorted(kept) == [(n, 45_000 + n) for n in range(5000)]


def test_a_file_of_lines_larger_than_the_memory_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    duckdb.execute(
        f"""
        copy (
            select '{{"id":' || n || ',"text":"' || repeat(md5(cast(n as varchar)), 84) || '"}}'
            from range(150_000) as lines(n)
        ) to '{path}' (format csv, header false, quote '', escape '', delimiter '\x01')
        """
    )
    config = {
        "memory_limit": "320MB",
        "threads": 1,
        "temp_directory": str(tmp_path / "scratch"),
    }
    with duckdb.connect(":memory:", config=config) as connection:
        Intake(connection, stream()).insert(json_lines([str(path)]))
        counted = connection.execute("select count(*), sum(length(payload)) from pulled").fetchone()
    assert path.stat().st_size > 400_000_000
    assert counted == (150_000, path.stat().st_size - 150_000)


def test_a_csv_is_read_alike_wherever_in_it_the_first_quotes_are(tmp_path: Path) -> None:
    plain = [{"id": str(number), "text": "Brand"} for number in range(25_000)]
    odd = ['Brand "Winter"', "'Brand'", "a, b", "two\nlines", "back\\"]
    rows = [*plain, *({"id": text, "text": text} for text in odd)]
    path = tmp_path / "report.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text"])
        writer.writeheader()
        writer.writerows(rows)
    with duckdb.connect() as connection:
        intake = Intake(connection, stream())
        intake.add(Kept(path, 0, path.stat().st_size, "$", "csv", ""))
        intake.flush()
        found = connection.execute("select payload from pulled").fetchall()
    assert [json.loads(payload) for (payload,) in found] == rows

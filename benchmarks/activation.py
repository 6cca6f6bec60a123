"""Segments and sending: each figure is a ratio to the bare work in the same run.

- segments: 30 segments over a million customers in one query, to 30 counts with a filter
- sending: plan, ledger and dispatch to a receiver, to a bare httpx loop with the same batches
- ledger: rows claimed and settled in a second, with nothing sent: an audience, and messages
- age: planning and the sums of a ledger with ten messages a customer, to one with one

    python benchmarks/activation.py [--customers 1000000] [--rows 50000]
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import httpx
from pydantic import SecretStr

from marketing_platform.activation import conservation, dispatch, ledger_sums, plan_all
from marketing_platform.contracts import CONTRACTS
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import Answer, Batch
from marketing_platform.segments.compile import memberships_query
from marketing_platform.segments.load import load_segments
from marketing_platform.segments.tables import build_memberships, build_sizes, build_stays
from marketing_platform.segments.vocabulary import PREDICTIONS
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse

ROOT = Path(__file__).parent.parent
AS_OF = dt.datetime(2026, 1, 31)
# Thirty questions as a marketer would ask them, each of another share of the customers.
FILTERS = {
    f"s{number:02}": f"{{all: [{{field: order_count, at_least: {number % 6}}},"
    f" {{field: value_percentile, at_least: {number / 40}}},"
    f" {{any: [{{field: country, one_of: [C{number % 9}, C{(number + 3) % 9}]}},"
    f" {{field: last_ordered_at, within: {10 * number + 7}d}}]}}]}}"
    for number in range(30)
}
SQL = (
    "select count(*) from profiles.customers where order_count >= {few} and value_percentile >="
    " {share} and (country in ('C{one}', 'C{two}') or (last_ordered_at > timestamp '2026-01-31'"
    " - interval {days} day and last_ordered_at <= timestamp '2026-01-31'))"
)


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def settings_of(folder: Path, **platform: object) -> Settings:
    """Settings of a shop in a scratch folder, with its segments beside them."""
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    return Settings(
        config_dir=folder,
        data_dir=folder,
        state_url=SecretStr(f"sqlite:///{folder / 'state.db'}"),
        platform=Platform.model_validate(platform),
    )


def fill(warehouse: Warehouse, customers: int) -> None:
    """Write a clock and so many customers, all of them different."""
    for table in (
        *("core.events", "core.products", "profiles.visitors", "profiles.orders"),
        *("predictions.models", "predictions.watch", "segments.sizes", "core.clock"),
        "profiles.customers",
        *(f"predictions.{name}" for name in PREDICTIONS),
    ):
        warehouse.ensure(table)
    values = {
        "customer_id": "'c' || lpad(i::varchar, 8, '0')",
        "email": "'c' || i || '@example.com'",
        "first_name": "'Ada'",
        "country": "'C' || (i % 9)",
        "has_email_consent": "true",
        "is_buyer": "true",
        "lifecycle_stage": "'loyal'",
        "order_count": "hash(i) % 8",
        "value_percentile": "(hash(i + 1) % 1000) / 1000",
        "last_ordered_at": "timestamp '2026-01-31' - interval (hash(i + 2) % 400) day",
    }
    columns = CONTRACTS["profiles.customers"].columns
    for name, column in columns.items():
        if name not in values and not column.nullable:
            values[name] = f"cast(0 as {column.duckdb_type})"
    chosen = ", ".join(f"{value} as {name}" for name, value in values.items())
    with warehouse.connect() as connection:
        connection.execute(
            "insert into core.clock select $moment::timestamp, $moment::date", {"moment": AS_OF}
        )
        connection.execute(
            f"insert into profiles.customers by name select {chosen} from range($count) t(i)",
            {"count": customers},
        )


def bench_segments(folder: Path, customers: int) -> None:
    """Thirty segments in one query."""
    settings = settings_of(folder)
    for name, rule in FILTERS.items():
        text = f"description: One of thirty.\nmembers: {rule}\n"
        (settings.segments_dir / f"{name}.yaml").write_text(text, encoding="utf-8")
    warehouse = Warehouse(settings.warehouse_path)
    fill(warehouse, customers)
    members = memberships_query(load_segments(settings.segments_dir)).sql("duckdb")
    counts = [
        SQL.format(
            few=number % 6, share=number / 40, one=number % 9, two=(number + 3) % 9,
            days=10 * number + 7,
        )
        for number in range(30)
    ]  # fmt: skip
    with warehouse.connect() as connection:
        bare = median(seconds(lambda: _run(connection, counts)) for _ in range(3))
        query = f"select segment, count(*) from ({members}) group by segment"
        ours = median(seconds(lambda: _run(connection, [query])) for _ in range(3))
        expected = [connection.execute(sql).fetchone() for sql in counts]
        found = dict(connection.execute(query).fetchall())
    assert [found.get(f"s{n:02}", 0) for n in range(30)] == [row[0] for row in expected if row]
    print(f"segments  30 over {customers:,} customers in one query: {ours:.2f} s")
    print(f"          {ours / bare:.2f} times 30 counts with a filter ({bare:.2f} s)")
    first = seconds(lambda: build_memberships(warehouse, settings))
    again = seconds(lambda: build_memberships(warehouse, settings))
    rest = seconds(lambda: (build_stays(warehouse, settings), build_sizes(warehouse, settings)))
    rows = warehouse.query("select count(*) from segments.memberships").item()
    print(
        f"          table with reasons, {rows:,} memberships: {first:.1f} s at first,"
        f" {again:.1f} s again; stays and sizes {rest:.1f} s"
    )


def _run(connection: duckdb.DuckDBPyConnection, queries: list[str]) -> None:
    for query in queries:
        connection.execute(query).fetchall()


def bench_sending(folder: Path, rows: int) -> None:
    """A segment to a receiver on the loopback."""
    with Receiver() as receiver:
        settings = settings_of(
            folder,
            destinations={"receiver": {"type": "webhook", "url": receiver.url}},
            activations=[
                {"segment": "all", "destination": "receiver", "attributes": ["email", "country"]}
            ],
        )
        warehouse = filled_segment(settings, rows)
        state = open_state(settings.state_url.get_secret_value())
        planned = seconds(lambda: plan_all(warehouse, state, settings))
        sent = seconds(lambda: dispatch(state, settings))
        bodies = list(receiver.received.bodies.values())
        assert len(receiver.received.rows) == rows
    with Receiver() as receiver, httpx.Client() as client:
        bare = seconds(lambda: [client.post(receiver.url, content=body) for body in bodies])
    with Receiver() as receiver:
        beside = seconds(lambda: asyncio.run(_post(receiver.url, bodies)))
    print(f"sending   {rows:,} rows: planned in {planned:.1f} s, {rows / sent:,.0f} rows/s sent")
    print(
        f"          {bare / sent:.2f} of the rate of a bare loop over {len(bodies)} batches,"
        f" {beside / sent:.2f} of four at a time"
    )


async def _post(url: str, bodies: list[bytes]) -> None:
    async with httpx.AsyncClient() as client:
        waiting = list(bodies)

        async def work() -> None:
            while waiting:
                await client.post(url, content=waiting.pop())

        await asyncio.gather(*(work() for _ in range(4)))


def filled_segment(settings: Settings, rows: int) -> Warehouse:
    """A warehouse with a segment of so many customers."""
    text = "description: All.\nmembers: {field: order_count, at_least: 0}\n"
    (settings.segments_dir / "all.yaml").write_text(text, encoding="utf-8")
    warehouse = Warehouse(settings.warehouse_path)
    fill(warehouse, rows)
    build_memberships(warehouse, settings)
    build_sizes(warehouse, settings)
    return warehouse


class Nowhere:
    """Accepts everything at once."""

    modes = ("audience",)
    audience = None
    batch_size, concurrency = 500, 4
    is_idempotent, is_full_feed = True, False
    calls_per_run, retry_seconds, max_wait_seconds, max_attempts = 1, 0.0, 0.0, 3

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, batch: Batch) -> Answer:
        """Take it."""
        return Answer("accepted")

    def preview(self, batch: Batch) -> str:
        """Nothing to show."""
        return ""

    def missing(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Nothing is open."""


def bench_ledger(folder: Path, rows: int, told: str, **rule: str) -> None:
    """Claims and settlements alone."""
    destination = {"type": "webhook", "url": "http://127.0.0.1:9", "consent": "email"}
    settings = settings_of(
        folder,
        destinations={"nowhere": destination},
        activations=[{"segment": "all", "destination": "nowhere", **rule}],
    )
    warehouse = filled_segment(settings, rows)
    state = open_state(settings.state_url.get_secret_value())
    plan_all(warehouse, state, settings)
    taken = seconds(lambda: dispatch(state, settings, make=lambda name, _: Nowhere(name)))
    assert ledger_sums(state)["sent"] == rows
    print(f"ledger    {rows / taken:,.0f} rows claimed and settled a second, {told}")


def bench_age(folder: Path, rows: int, rounds: int = 10) -> None:
    """The same plan over a young and an old ledger."""
    settings = settings_of(
        folder,
        destinations={"nowhere": {"type": "webhook", "url": "http://127.0.0.1:9"}},
        activations=[{"segment": "all", "destination": "nowhere", "attributes": ["first_name"]}],
    )
    warehouse = filled_segment(settings, rows)
    state = open_state(settings.state_url.get_secret_value())
    planned, summed = [], []
    for number in range(rounds + 1):
        with warehouse.connect() as connection:
            connection.execute(
                "update profiles.customers set first_name = $name", {"name": f"Ada {number}"}
            )
        plan_all(warehouse, state, settings)
        dispatch(state, settings, make=lambda name, _: Nowhere(name))
        # Nothing has changed: what is measured is the look at what was told.
        planned.append(seconds(lambda: plan_all(warehouse, state, settings)))
        summed.append(seconds(lambda: conservation(state)))
    print(f"age       {rows:,} customers, told once or {rounds} times: a plan {planned[0]:.2f} s,")
    print(
        f"          then {planned[rounds - 1] / planned[0]:.2f} times that; the sums"
        f" {summed[0]:.3f} s, then {summed[rounds - 1] / summed[0]:.2f} times that"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=50_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench_segments(Path(scratch) / "segments", options.customers)
        bench_sending(Path(scratch) / "sending", options.rows)
        bench_ledger(Path(scratch) / "ledger", options.rows, "an audience")
        # A cap says how often somebody may be written to.
        bench_ledger(Path(scratch) / "cap", options.rows, "messages to people", event="entered")
        bench_age(Path(scratch) / "age", options.rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak      {peak:.1f} GB")


if __name__ == "__main__":
    main()

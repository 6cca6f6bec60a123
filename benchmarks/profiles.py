"""Identity, daily roll-up and profiles of a large shop, as ratios to one query in the same run: a
single `group by` of the visitor with three aggregates over the same events.

    python benchmarks/profiles.py [CUSTOMERS ...]     (100,000 and 1,000,000 unless told)

A customer has one and a half contacts, three identifiers and fifty events in half a year: eight in
a visit, a visit a month. Every size runs in a process of its own, for its peak of memory.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import polars as pl
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.pipeline import all_tables, build_table, needed
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Part, Warehouse

SIZES = (100_000, 1_000_000)
EVENTS_EACH, EVENTS_A_VISIT, DAYS = 50, 8, 180
LAST_DAY = dt.date(2026, 6, 29)
LAYERS = ("identity", "profiles")

# A number below `below` that looks drawn and is always the same.
DRAW = """create macro if not exists draw(which, what, below) as
    cast(hash(which, what) % below as bigint)"""
CONTACTS = """
    select
        source || ':' || person as contact_id,
        source,
        cast(person as varchar) as source_contact_id,
        case when draw(person, 'mail', 10) < 9 then 'person' || person || '@mail.example' end
            as email,
        case when draw(person, 'phone', 10) < 4 then concat('+4915', person + 10000000) end
            as phone,
        'given' || draw(person, 'g', 900) as first_name,
        'family' || draw(person, 'f', 9000) as last_name,
        ['DE', 'FR', 'AT', 'US'][1 + draw(person, 'c', 4)] as country, 'de' as language,
        draw(person, source, 3) > 0 as has_email_consent, timestamp '2026-01-01' as created_at,
        timestamp '2026-01-01' + to_hours(cast(draw(person, source, 4000) as int)) as updated_at
    from (
        select person, 'shop' as source from range($customers) as people(person)
        union all
        -- Every second person is known to the CRM too.
        select person, 'crm' as source from range(0, $customers, 2) as people(person)
    ) as people
"""
# One statement a day, as days come: `visits` visits of eight events each.
EVENTS = """
    select
        'shop:' || $day || '-' || visit || '-' || step as event_id, 'shop' as source,
        case draw(visit * 8 + step, $day, 20)
            when 0 then 'product_added' when 1 then 'products_searched' when 2 then 'cart_viewed'
            else ['page_viewed', 'product_viewed'][1 + step % 2]
        end as event,
        cast($date as timestamp) + to_seconds(
            cast(draw(visit + 1000000 * $day, 'at', 82800) as int) + 50 * step
        ) as occurred_at,
        cast($date as date) as event_date,
        case when draw(visit + 1000000 * $day, 'known', 4) > 0 then 'shop:' || person end
            as contact_id,
        'device-' || person as anonymous_id,
        'shop:' || draw(visit, step, 5000) as product_id,
        'https://shop.example/p/' || draw(visit, step, 5000) as page_url,
        ['google', 'newsletter', 'meta'][1 + draw(visit, 's', 3)] as utm_source,
        ['cpc', 'email'][1 + draw(visit, 'm', 2)] as utm_medium,
        'campaign-' || draw(visit, 'c', 40) as utm_campaign
    from (
        select visit, draw(visit + 1000000 * $day, 'who', $customers) as person
        from range($visits) as visits(visit)
    ) as visits
    cross join range($a_visit) as steps(step)
    order by occurred_at
"""
ORDERS = """
    select
        'shop:' || number as order_id, 'shop' as source, cast(number as varchar) as source_order_id,
        'shop:' || draw(number, 'who', $customers) as contact_id,
        cast(order_date as timestamp) + to_hours(12) as ordered_at, order_date,
        1 as item_count, 1 as quantity, 20 + draw(number, 'p', 100) as gross_amount,
        20 + draw(number, 'p', 100) as gross_reporting_amount, 'EUR' as currency
    from (
        select number, cast($last as date) - cast(draw(number, 'd', 180) as int) as order_date
        from range($customers * 2) as numbers(number)
    ) as numbers
"""
YARDSTICK = """
    select contact_id, count(*), max(occurred_at), count(*) filter (where event = 'product_viewed')
    from core.events group by contact_id
"""


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def insert(connection: duckdb.DuckDBPyConnection, name: str, sql: str, **values: object) -> None:
    """Add rows to a table, in which the columns that `sql` leaves out are null."""
    connection.execute(f"insert into {name} by name {sql}", values)


def day_of_events(number: int, date: dt.date, customers: int) -> dict[str, object]:
    """The values for the events of one day."""
    visits = customers * EVENTS_EACH // EVENTS_A_VISIT // DAYS
    return {"day": number, "date": date, "customers": customers, "visits": visits,
            "a_visit": EVENTS_A_VISIT}  # fmt: skip


def set_clock(warehouse: Warehouse, date: dt.date) -> None:
    """Set the clock to the end of a day."""
    moment = dt.datetime.combine(date, dt.time.max)
    frame = pl.DataFrame({"as_of": [moment], "as_of_date": [date]})
    warehouse.replace("core.clock", frame.cast({"as_of": pl.Datetime("us")}))


def fill(warehouse: Warehouse, settings: Settings, customers: int) -> None:
    """Write the tables of core."""
    for name in CONTRACTS:
        if name.startswith("core."):
            warehouse.ensure(name)
    with warehouse.connect() as connection:
        connection.execute(DRAW)
        insert(connection, "core.contacts", CONTACTS, customers=customers)
        insert(connection, "core.orders", ORDERS, customers=customers, last=LAST_DAY)
        for ago in range(DAYS):
            day = day_of_events(DAYS - ago, LAST_DAY - dt.timedelta(ago), customers)
            insert(connection, "core.events", EVENTS, **day)
        connection.execute("checkpoint")
    set_clock(warehouse, LAST_DAY)


def build(warehouse: Warehouse, settings: Settings) -> dict[str, float]:
    """Build identity and profiles; the seconds of each table."""
    names = [
        name for name in needed(settings, ["profiles.customers"]) if name.split(".")[0] in LAYERS
    ]
    assert set(names) < set(all_tables(settings))
    return {
        name: seconds(lambda name=name: build_table(warehouse, settings, name)) for name in names
    }


def run(customers: int) -> None:
    """Measure one size and print it."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as scratch:
        folder = Path(scratch)
        settings = Settings(
            config_dir=Path(__file__).parent.parent / "config",
            data_dir=folder,
            state_url=SecretStr(f"sqlite:///{folder / 'state.db'}"),
            platform=Platform.model_validate({"clock": LAST_DAY}),
        )
        warehouse = Warehouse(settings.warehouse_path)
        fill(warehouse, settings, customers)
        with warehouse.connect() as connection:
            counts = connection.execute(
                "select (select count(*) from core.contacts), (select count(*) from core.events)"
            ).fetchone()

        def yardstick() -> float:
            with warehouse.connect() as connection:
                return seconds(
                    lambda: connection.execute(f"create temp table y as {YARDSTICK}").execute(
                        "drop table y"
                    )
                )

        once = median(yardstick() for _ in range(3))
        whole = build(warehouse, settings)
        tomorrow = LAST_DAY + dt.timedelta(1)
        events = warehouse.query(EVENTS, day_of_events(DAYS + 1, tomorrow, customers))
        complete = pl.concat([CONTRACTS["core.events"].empty(), events], how="diagonal")
        warehouse.replace("core.events", complete, part=Part(tomorrow, tomorrow))
        with warehouse.connect() as connection:
            identifiers, profiles = connection.execute(
                "select (select count(*) from identity.identifiers),"
                " (select count(*) from profiles.customers)"
            ).fetchone() or (0, 0)
        set_clock(warehouse, tomorrow)
        day = build(warehouse, settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    assert counts
    print(
        f"{customers:,} customers, {counts[0]:,} contacts, {identifiers:,} identifiers,"
        f" {counts[1]:,} events, {profiles:,} profiles; one group by: {once:.2f} s"
    )
    for title, spent in (("full build", whole), ("one more day", day)):
        total = sum(spent.values())
        print(f"  {title:<13} {total:6.1f} s  {total / once:5.1f} times  (peak {peak:.1f} GB)")
        for name, took in sorted(spent.items(), key=lambda item: -item[1])[:20]:
            print(f"    {name:<32} {took:6.2f} s  {took / once:5.2f}")


def main() -> None:
    """Print every size."""
    if os.environ.get("BENCH_SIZE"):
        run(int(os.environ["BENCH_SIZE"]))
        return
    for size in [int(told) for told in sys.argv[1:]] or SIZES:
        subprocess.run(
            [sys.executable, __file__], env={**os.environ, "BENCH_SIZE": str(size)}, check=True
        )


if __name__ == "__main__":
    main()

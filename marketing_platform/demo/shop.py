"""A simulated shop: export files as real systems write them, and beside them the truth.

The same seed and end day give the same bytes. Nothing here belongs to a real person: see `people`
and `phones`.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from marketing_platform.demo.ads import ad_rows
from marketing_platform.demo.buying import Buyers, Spells, draw_buyers, draw_spells
from marketing_platform.demo.contacts import Records, contact_rows, draw_records
from marketing_platform.demo.dirt import Dirt, soil
from marketing_platform.demo.events import draw_events, event_lines
from marketing_platform.demo.orders import (
    Lines,
    Orders,
    draw_lines,
    draw_orders,
    order_rows,
    signed_in,
)
from marketing_platform.demo.people import People, draw_people
from marketing_platform.demo.products import Catalogue, make_catalogue
from marketing_platform.demo.sessions import Sessions, draw_sessions
from marketing_platform.demo.truth import people_counts, truth_rows
from marketing_platform.demo.window import DAY_SECONDS, Ints, Window, time_of_day

_LEADS_PER_CUSTOMER = 0.12
_MINIMUM_DAYS = 60


@dataclass(frozen=True)
class ShopFiles:
    """The files of a demo shop and what is in them.

    `row_counts` has the records of each export by its name; `dirt` names the spoiled lines of
    orders.csv. `truth` has a row for each of `person_count` people, `truth_counts` sums it up.
    """

    orders: Path
    contacts: Path
    products: Path
    events: Path
    ad_performance: Path
    truth: Path
    truth_counts: Path
    row_counts: dict[str, int]
    person_count: int
    dirt: Dirt


@dataclass(frozen=True)
class World:
    """Everything that happens in the shop, before it is written down."""

    window: Window
    catalogue: Catalogue
    people: People
    buyers: Buyers
    spells: Spells
    records: Records
    orders: Orders
    lines: Lines
    sessions: Sessions
    customer_ids: pl.Series
    events: pl.DataFrame


def make_shop(
    folder: Path, *, customers: int = 3000, seed: int = 7, end: dt.date, days: int = 540
) -> ShopFiles:
    """Write the export files of a shop with so many customers, whose last day is `end` (UTC)."""
    if customers < 1 or days < _MINIMUM_DAYS:
        raise ValueError(f"a shop needs a customer and {_MINIMUM_DAYS} days")
    folder.mkdir(parents=True, exist_ok=True)
    worlds, exports = np.random.default_rng(seed).spawn(2)
    world = simulate(worlds, Window(end, days), customers)
    return _export(exports, folder, world, {"seed": seed, "end": end.isoformat(), "days": days})


def simulate(rng: np.random.Generator, window: Window, customers: int) -> World:
    """Let it all happen. Each part has random numbers of its own, so that a change stays local."""
    parts = iter(rng.spawn(9))
    catalogue = make_catalogue(next(parts), window)
    buyers = draw_buyers(next(parts), window, customers, round(customers * _LEADS_PER_CUSTOMER))
    spells = draw_spells(next(parts), window, buyers)
    people = draw_people(next(parts), len(buyers), catalogue.category_count)
    orders = draw_orders(next(parts), window, spells)
    lines = draw_lines(next(parts), window, orders, people, catalogue)
    first_seen = _first_seen(next(parts), buyers, orders)
    rng_records, rng_web = next(parts), next(parts)
    records = draw_records(rng_records, window, buyers, people, first_seen)
    is_signed_in = signed_in(rng_records, orders, records)
    customer_ids = pl.select(
        pl.when(pl.Series(is_signed_in)).then(records.account_id[orders.person])
    ).to_series()
    sessions = draw_sessions(rng_web, window, buyers, spells, orders, is_signed_in)
    events = draw_events(rng_web, window, sessions, lines, people, catalogue)
    return World(
        window=window,
        catalogue=catalogue,
        people=people,
        buyers=buyers,
        spells=spells,
        records=records,
        orders=orders,
        lines=lines,
        sessions=sessions,
        customer_ids=customer_ids,
        events=events,
    )


def _first_seen(rng: np.random.Generator, buyers: Buyers, orders: Orders) -> Ints:
    """The moment of the first order, for leads some time on the day they became known."""
    moment = buyers.first_day * DAY_SECONDS + time_of_day(rng, len(buyers))
    person, first = np.unique(orders.person, return_index=True)
    moment[person] = orders.at[first]
    return moment


def _export(
    rng: np.random.Generator, folder: Path, world: World, origin: dict[str, object]
) -> ShopFiles:
    """Write the files, and beside them what is true."""
    tables, dirt = _tables(rng, world)
    truth = truth_rows(
        world.window, world.buyers, world.spells, world.people, world.records, world.orders
    )
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")
    events = _event_lines(rng, world)
    text = "\n".join(events) + "\n"
    (folder / "events.jsonl").write_text(text, encoding="utf-8", newline="\n")
    truth.write_parquet(folder / "truth.parquet")
    files = ShopFiles(
        orders=folder / "orders.csv",
        contacts=folder / "contacts.csv",
        products=folder / "products.csv",
        events=folder / "events.jsonl",
        ad_performance=folder / "ad_performance.csv",
        truth=folder / "truth.parquet",
        truth_counts=folder / "truth.json",
        row_counts={name: table.height for name, table in tables.items()} | {"events": len(events)},
        person_count=truth.height,
        dirt=dirt,
    )
    counts = json.dumps(origin | _counts(files, world, truth), indent=2)
    files.truth_counts.write_text(counts + "\n", encoding="utf-8", newline="\n")
    return files


def _tables(rng: np.random.Generator, world: World) -> tuple[dict[str, pl.DataFrame], Dirt]:
    """The exports that are CSV, by name, and what was spoiled in the orders."""
    w = world
    clean = order_rows(rng, w.window, w.orders, w.lines, w.people, w.catalogue, w.customer_ids)
    orders, dirt = soil(rng, clean)
    tables = {
        "orders": orders,
        "contacts": contact_rows(rng, w.window, w.people, w.records),
        "products": w.catalogue.rows,
        "ad_performance": ad_rows(rng, w.window, w.orders, w.lines),
    }
    return tables, dirt


def _event_lines(rng: np.random.Generator, world: World) -> list[str]:
    w = world
    lines = event_lines(rng, w.window, w.events, w.sessions, w.orders, w.records, w.catalogue)
    return lines.to_list()


def _counts(files: ShopFiles, world: World, truth: pl.DataFrame) -> dict[str, object]:
    """The content of truth.json: how much of everything there is."""
    dirt = asdict(files.dirt)
    people = people_counts(world.window, truth, world.records, world.events, world.sessions)
    return {
        "rows": files.row_counts,
        "orders": {
            "all": len(world.orders),
            "web": int(world.orders.is_web.sum()),
            "refunded_lines": int((world.lines.refund_quantity > 0).sum()),
        },
        "people": people,
        "dirt": {kind: len(line_ids) for kind, line_ids in dirt.items()},
        "dirty_line_ids": dirt,
    }

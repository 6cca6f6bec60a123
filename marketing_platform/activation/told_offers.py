"""A product feed that is told to a vendor offer by offer, in place of a file.

What it was told stands in the state (`told_offers`), so that only what changed is told, and what is
sold no more is taken out there. Google forgets an offer after 30 days, so that each is told again
in time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import orjson
import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.caller import Caller
from marketing_platform.destinations.base import Batch, Row, RowAnswer
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.state import reading, told_offers, utc_now, writing

# Half of the time after which Google forgets.
_TOLD_AGAIN_AFTER = dt.timedelta(days=15)
# An activation must end; the next one goes on.
_LONGEST_SECONDS = 600.0
_AT_ONCE = 200
# More than any vendor takes in that time; the texts of a whole catalogue do not fit into memory.
_MOST_AT_ONCE = 50_000
_PAYLOADS: dict[str, Any] = {
    "id": pl.String,
    "payload": pl.String,
    "content_version": pl.String,
}
_SCHEMA: dict[str, Any] = {
    "id": pl.String,
    "content_version": pl.String,
    "told_at": pl.Datetime("us"),
}


@dataclass
class Telling:
    """What came of it: offers told and taken out now, those that the vendor has, those that wait.

    `refused` counts by the vendor's words; `stopped` says why nothing more was told.
    """

    told_count: int = 0
    removed_count: int = 0
    known_count: int = 0
    waiting_count: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    stopped: str = ""


def tell(
    engine: sa.Engine,
    feed: str,
    destination: HttpDestination,
    read: Callable[[], Iterator[pl.DataFrame]],
    *,
    longest_seconds: float = _LONGEST_SECONDS,
) -> Telling:
    """Bring a vendor to where it has these offers and no others.

    `read` gives them in parts, which have `id` among others. They are read twice: once for what
    changed, and once for those of it that there may be time to tell.
    """
    versions = pl.concat(
        [
            pl.DataFrame(schema={"id": pl.String, "content_version": pl.String}),
            *(_versions(part).select("id", "content_version") for part in read()),
        ]
    )
    before = _told_before(engine, feed)
    due_since = utc_now().replace(tzinfo=None) - _TOLD_AGAIN_AFTER
    due = (
        versions.join(before, on="id", how="left", suffix="_told")
        .filter(
            pl.col("content_version_told").is_null()
            | (pl.col("content_version") != pl.col("content_version_told"))
            | (pl.col("told_at") < due_since)
        )
        # What changed first; what is only told again can wait.
        .sort(pl.col("content_version") == pl.col("content_version_told"), "told_at", "id")
    )
    gone = before.join(versions, on="id", how="anti").sort("id")
    chosen = due.head(_MOST_AT_ONCE).select("id").with_row_index("turn")
    payloads = pl.concat(
        [
            pl.DataFrame(schema={**_PAYLOADS, "turn": pl.UInt32}),
            *(_versions(part).join(chosen, on="id") for part in (read() if chosen.height else ())),
        ],
        how="diagonal",
    ).sort("turn")
    rows = [Row(one, "remove", one, {}) for one in gone["id"]] + [
        Row(one, "add", one, orjson.loads(payload))
        for one, payload in payloads.select("id", "payload").iter_rows()
    ]
    version_of = dict(payloads.select("id", "content_version").iter_rows())
    telling = Telling(waiting_count=due.height - chosen.height)
    asyncio.run(_tell_all(engine, feed, destination, rows, version_of, telling, longest_seconds))
    telling.known_count = _told_before(engine, feed).height
    return telling


async def _tell_all(
    engine: sa.Engine,
    feed: str,
    destination: HttpDestination,
    rows: Sequence[Row],
    version_of: dict[str, str],
    telling: Telling,
    longest_seconds: float,
) -> None:
    ends_at = time.monotonic() + longest_seconds
    caller = Caller(destination, lambda: bool(telling.stopped))
    room = asyncio.Semaphore(destination.concurrency)

    async def told(row: Row) -> RowAnswer:
        async with room:
            return await _answer(caller, Batch(row.key, destination.name, feed, (row,)), telling)

    try:
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            if telling.stopped or time.monotonic() > ends_at:
                telling.waiting_count += len(rows) - start
                break
            answers = await asyncio.gather(*map(told, part))
            taken = [
                row for row, answer in zip(part, answers, strict=True) if answer.status == "ok"
            ]
            # Each part is kept at once: what breaks off here is not told again.
            _keep(engine, feed, taken, version_of)
            for answer in answers:
                if answer.status == "later":
                    telling.waiting_count += 1
                elif answer.status != "ok":
                    telling.refused[answer.message] += 1
            removed = sum(row.operation == "remove" for row in taken)
            telling.told_count += len(taken) - removed
            telling.removed_count += removed
    finally:
        await destination.close()


async def _answer(caller: Caller, batch: Batch, telling: Telling) -> RowAnswer:
    """What became of the one offer of a batch."""
    if telling.stopped:
        return RowAnswer("later", telling.stopped)
    said = await caller.send(batch)
    if said.kind == "accepted":
        return said.rows.get(batch.batch_id) or RowAnswer("ok")
    if said.kind == "refused":
        return said.rows.get(batch.batch_id) or RowAnswer("error", said.reason)
    if said.kind == "stop":
        telling.stopped = said.reason
    elif caller.asks_for_rest(said):
        telling.stopped = f"it asks to be left alone for {said.wait_seconds:.0f} seconds"
    elif why := caller.why_silent(said):
        telling.stopped = why
    return RowAnswer("later", said.reason)


def _versions(offers: pl.DataFrame) -> pl.DataFrame:
    """The offers as JSON, and a hash of each that is the same in every version of every library."""
    written = offers.select("id", payload=pl.struct(offers.columns).struct.json_encode())
    with duckdb.connect() as connection:
        connection.register("written", written.to_arrow())
        hashed = "select *, left(sha256(payload), 32) as content_version from written"
        found: pl.DataFrame = connection.sql(hashed).pl()
    return found


def _told_before(engine: sa.Engine, feed: str) -> pl.DataFrame:
    columns = told_offers.c.offer_id, told_offers.c.content_version, told_offers.c.told_at
    with reading(engine) as connection:
        found = connection.execute(sa.select(*columns).where(told_offers.c.feed == feed)).all()
    rows = [(one, version, told_at.replace(tzinfo=None)) for one, version, told_at in found]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _keep(engine: sa.Engine, feed: str, taken: Sequence[Row], version_of: dict[str, str]) -> None:
    if not taken:
        return
    ids = [row.key for row in taken]
    added = [
        {
            "feed": feed,
            "offer_id": row.key,
            "content_version": version_of[row.key],
            "told_at": utc_now(),
        }
        for row in taken
        if row.operation != "remove"
    ]
    with writing(engine) as connection:
        connection.execute(
            sa.delete(told_offers).where(
                told_offers.c.feed == feed, told_offers.c.offer_id.in_(ids)
            )
        )
        if added:
            connection.execute(sa.insert(told_offers), added)

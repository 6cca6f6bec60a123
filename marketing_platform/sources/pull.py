"""Pulls a stream into the lake: pages to disk, records out of them, and these into their days."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from marketing_platform.errors import SourceError
from marketing_platform.lake import Lake
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.client import Client, Traffic, open_client
from marketing_platform.sources.coverage import covered, joined
from marketing_platform.sources.json_lines import reason_of
from marketing_platform.sources.merge import Merged, merge
from marketing_platform.sources.progress import Drift, note_fields
from marketing_platform.sources.records import Intake
from marketing_platform.sources.secrets import mask, secrets_of
from marketing_platform.sources.spool import Spool, drop_stale
from marketing_platform.sources.stream import Checkpoint, Page, Query, Stream, Walk, Window
from marketing_platform.sources.system import FOLDER

_MEMORY = "512MB"
BYTES_AHEAD, _PAGES_AHEAD = 8 * 1024 * 1024, 64
_WALKS = 4
_Walked = tuple[Page, Checkpoint | None]


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    `record_count` counts the records received, `written_days` the days of the lake that they
    changed. `new_fields` and `vanished_fields` are told, and never stop a pull.
    """

    source: str
    stream: str
    window: Window
    page_count: int
    record_count: int
    written_days: tuple[dt.date, ...]
    newest_record: dt.datetime | None
    traffic: Traffic
    drift: Drift


def pull(settings: Settings, source: ActiveSource, stream: Stream, window: Window) -> Pulled:
    """Pull the records of a window and merge them into the lake.

    Interrupted at any moment, the same call goes on where it stopped.
    """
    target = Lake(settings.lake_dir).stream(source.name, stream.name)
    drop_stale(settings.data_dir / "spool")
    with _scratch(settings.data_dir / "spool" / source.name / stream.name / ".scratch") as scratch:
        traffic, page_count, spool = Traffic(), 0, None
        if isinstance(stream.walk, Query):
            _query(scratch, Intake(scratch, stream), source, stream.walk, window)
        else:
            traffic, spool = _walk_whole(scratch, settings, source, stream, window)
            page_count = spool.page_count
        received_at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        merged = merge(scratch, target, stream, window, received_at)
        drift = note_fields(scratch, target.note(), received_at.date())
    done = Pulled(
        source=source.name,
        stream=stream.name,
        window=window,
        page_count=page_count,
        record_count=merged.record_count,
        written_days=merged.written_days,
        newest_record=merged.newest_record,
        traffic=traffic,
        drift=drift,
    )
    read = joined(covered(target.note()), window)
    target.write_note({**target.note(), **_noted(done, merged, read), **drift.noted})
    if spool:
        spool.close()
    return done


def _walk_whole(
    scratch: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: ActiveSource,
    stream: Stream,
    window: Window,
) -> tuple[Traffic, Spool]:
    """Walk the pages, and once more where they brought fewer records than there are said to be.

    Pages shift while they are read, and a cache may give one of another place. That is noticed
    where pages come one at a time, which is how they are asked for again. What all walks brought
    counts together: a record that left the list meanwhile was there.
    """
    assert not isinstance(stream.walk, Query)  # noqa: S101 - tells the type checker
    intake = Intake(scratch, stream)
    for number in range(_WALKS):
        spool = _open_spool(settings, source, stream, window)
        with open_client(source, in_turn=number > 0, stream=stream.name) as client:
            _walk(client, source, stream.walk, window, spool, intake)
        count = intake.count_keys() if spool.total else 0
        if count >= spool.total:
            return client.traffic, spool
        spool.close()
    raise SourceError(
        f"{stream.name}: {count:,} of the {spool.total:,} records that the vendor speaks of",
        where=f"sources.{source.name}",
        mend="Run again; where it stays so, something at the vendor hides records from lists",
    )


def _walk(
    client: Client,
    source: ActiveSource,
    walk: Walk,
    window: Window,
    spool: Spool,
    intake: Intake,
) -> None:
    """Ask for the pages that are not on disk yet, and split each while the next ones come."""
    for kept in spool.pages():
        intake.add(kept)
    if not spool.is_complete:
        pages = walk.pages(client, source.settings, window, spool.checkpoint)
        for page, checkpoint in read_ahead(pages, client.stop):
            if added := spool.add(page, checkpoint):
                intake.add(added)
        spool.end()
    intake.flush()


def read_ahead(pages: Iterator[_Walked], stop: Callable[[], None]) -> Iterator[_Walked]:
    """The same pages; the next ones are asked for while one is worked on.

    Of those that wait, all but the last together have less than `BYTES_AHEAD`, large as they may
    be. `stop` is called at the end, and lets a page under way be given up.
    """
    room, waiting, is_over = threading.Condition(), 0, False

    def read() -> _Walked | None:
        nonlocal waiting
        with room:
            room.wait_for(lambda: is_over or waiting < BYTES_AHEAD)
        walked = None if is_over else next(pages, None)
        with room:
            waiting += len(walked[0].content) if walked else 0
        return walked

    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(read) for _ in range(_PAGES_AHEAD))
        try:
            while (walked := coming.popleft().result()) is not None:
                coming.append(pool.submit(read))
                with room:
                    waiting -= len(walked[0].content)
                    room.notify()
                yield walked
        finally:
            stop()
            with room:
                is_over = True
                room.notify()
            pool.shutdown(cancel_futures=True)


def _query(
    connection: duckdb.DuckDBPyConnection,
    intake: Intake,
    source: ActiveSource,
    query: Query,
    window: Window,
) -> None:
    try:
        intake.insert(query.select(connection, source.settings, window))
    except duckdb.Error as error:
        told = mask(reason_of(error), secrets_of(source.settings))
        raise SourceError(told, where=f"sources.{source.name}") from None


def _open_spool(settings: Settings, source: ActiveSource, stream: Stream, window: Window) -> Spool:
    name = f"{window.first:%Y%m%dT%H%M%S}-{window.end:%Y%m%dT%H%M%S}"
    folder = settings.data_dir / "spool" / source.name / stream.name / name
    return Spool(folder, _definition(source, stream), secrets_of(source.settings))


def _definition(source: ActiveSource, stream: Stream) -> str:
    """A digest of how a stream is asked: the system's code and its settings without secrets."""
    digest = hashlib.sha256(stream.name.encode())
    digest.update(json.dumps(source.settings.model_dump(mode="json"), default=str).encode())
    for path in sorted((FOLDER / source.system.name).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _scratch(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory that keeps within its limit by writing to the disk.

    With one thread: each that takes records holds a hundred thousand of them until it writes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "threads": 1,
        "temp_directory": str(folder),
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def _noted(done: Pulled, merged: Merged, read: Window) -> dict[str, object]:
    return {
        "covered": [read.first.isoformat(), read.end.isoformat()],
        "pulled_at": dt.datetime.now(dt.UTC).isoformat(),
        "first": done.window.first.isoformat(),
        "end": done.window.end.isoformat(),
        "pages": done.page_count,
        "records": done.record_count,
        "written_days": [day.isoformat() for day in done.written_days],
        "newest_record": done.newest_record.isoformat() if done.newest_record else None,
    }

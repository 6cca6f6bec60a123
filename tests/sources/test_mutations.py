"""Whatever a vendor sends: no record stops a build, and each gets one outcome."""

from __future__ import annotations

import copy
import importlib.util
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from lake_records import LakeRecord, write_records

from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.database.source import EntityQuery
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import Staged, tables_of_source
from marketing_platform.sources.system import find_system, system_types

_RECORDS = 10_000
_SEED = 20260131
_SAMPLES = Path(__file__).parent / "samples"
_SYSTEMS = tuple(name for name in system_types() if (_SAMPLES / f"{name}.py").exists())

_SETTINGS: dict[str, dict[str, Any]] = {
    "database": {
        "queries": {
            entity: EntityQuery(sql="", record_id=("id",), updated_at="updated_at")
            for entity in ("contacts", "orders", "deals")
        }
    }
}

_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**12,
    10**14,
    10**18,
    10**40,
    -(10**30),
    1e300,
    float("nan"),
    float("inf"),
    "",
    " ",
    "NaN",
    "null",
    "-Infinity",
    "1e999",
    "99999999999999999999.99",
    "twelve",
    "a\x00b",
    "\u202eright to left\u202c",
    "🤖👩‍👩‍👧",
    "\ud800",
    "e\u0301\u200b\ufeff",
    "x" * 5000,
    "0000-00-00",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-02-30T25:61:61Z",
    "2026-01-31T10:00:00+99:99",
    "'; drop table raw; --",
    [],
    {},
    [None],
    [[[[[[[[[]]]]]]]]],
    {"a": {"b": {"c": {"d": {"e": None}}}}},
    {"edges": [{"node": None}]},
    [{"id": None}, 5, "x"],
)


def _samples(system: str) -> dict[str, list[dict[str, Any]]]:
    path = _SAMPLES / f"{system}.py"
    spec = importlib.util.spec_from_file_location(f"samples_{system}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    samples: dict[str, list[dict[str, Any]]] = module.SAMPLES
    return samples


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key or index) within a JSON value."""
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _mutated(sample: dict[str, Any], rng: random.Random) -> str:
    """The sample with a few things wrong, as JSON; seldom no JSON at all."""
    record = copy.deepcopy(sample)
    for _ in range(rng.randint(0, 3)):
        places = list(_places(record))
        if not places:
            break
        container, key = rng.choice(places)
        kind = rng.random()
        if kind < 0.2:
            del container[key]
        elif kind < 0.3:
            container[key] = [container[key]]
        elif kind < 0.4 and isinstance(container[key], list):
            container[key] = {str(n): one for n, one in enumerate(container[key])}
        elif kind < 0.5 and isinstance(container[key], list):
            container[key] = container[key] * 2
        else:
            container[key] = copy.deepcopy(rng.choice(_ODD_VALUES))
    text = json.dumps(record)
    return text[: rng.randrange(len(text))] if rng.random() < 0.02 else text


def _source(system_name: str) -> ActiveSource:
    system = find_system(system_name)
    # What else the settings say (secrets, addresses) is of no matter here.
    settings = system.settings_model.model_construct(
        type=system_name, **_SETTINGS.get(system_name, {})
    )
    return ActiveSource(system_name, system, settings)


def _fill_lake(settings: Settings, source: ActiveSource) -> dict[str, int]:
    samples = _samples(source.name)
    rng = random.Random(f"{_SEED} {source.name}")  # noqa: S311
    streams = [stream for stream in source.streams if samples.get(stream.name)]
    count = -(-_RECORDS // len(_SYSTEMS) // len(streams))
    for stream in streams:
        payloads = (_mutated(rng.choice(samples[stream.name]), rng) for _ in range(count))
        records = [
            LakeRecord(str(rng.randrange(count)), payload, record_id=f"r{n}")
            for n, payload in enumerate(payloads)
        ]
        write_records(settings.lake_dir, source.name, stream.name, records)
    return {stream.name: count for stream in streams}


def _build(connection: duckdb.DuckDBPyConnection, staging: list[Staged]) -> list[str]:
    """Build the staging tables, parents first; the names of those that failed, and why."""
    connection.execute("create schema staging")
    failures = []
    for staged in sorted(staging, key=lambda one: any("staging." in r for r in one.table.reads)):
        try:
            connection.execute(f"create table {staged.table.name} as {staged.table.sql}")
        except duckdb.Error as error:
            failures.append(f"{staged.table.name}: {str(error)[:300]}")
    return failures


@pytest.mark.parametrize("system", _SYSTEMS)
def test_no_record_stops_a_build_and_each_has_one_outcome(
    system: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(shop={"timezone": "Europe/Berlin"})
    source = _source(system)
    arrived = _fill_lake(settings, source)
    connection = duckdb.connect()
    create_views(connection, settings, source)
    for stream, count in arrived.items():
        view = source.raw_name(stream)
        # Records of other streams may come as versions of this one's.
        assert _count(connection, f"select count(*) from {view}") >= count
    staging = tables_of_source(source)
    assert staging
    assert _build(connection, staging) == []
    for staged in staging:
        judged = _count(connection, f"select count(*) from {staged.table.name}")
        assert judged == _count(connection, f"select count(*) from {staged.judges}"), staged.table
        wrong = f"""
            select count(*) from {staged.table.name}
            where outcome not in ('accepted', 'duplicate', 'quarantined') or outcome is null
                or (outcome = 'quarantined') <> (coalesce(quarantine_reason, '') <> '')
        """
        assert _count(connection, wrong) == 0, staged.table.name


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row
    return int(row[0])

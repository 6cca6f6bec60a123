"""The code location as Dagster loads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import repository_def_from_target_def

from marketing_platform import definitions
from marketing_platform.contracts import CONTRACTS
from marketing_platform.definitions import build_definitions
from marketing_platform.settings import Settings

GOLDEN = Path(__file__).with_name("assets.json")


def inventory(settings: Settings) -> dict[str, dict[str, object]]:
    """What a person sees of each asset."""
    specs = build_definitions(settings).resolve_all_asset_specs()
    return {
        "/".join(spec.key.path): {
            "group": spec.group_name,
            "kinds": sorted(spec.kinds),
            "owners": list(spec.owners),
            "deps": sorted("/".join(dep.asset_key.path) for dep in spec.deps),
            "description": spec.description,
        }
        for spec in specs
        if spec.group_name != "default"
    }


def test_the_assets_are_those_that_are_written_down(tiny_shop: Settings) -> None:
    found = inventory(tiny_shop)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert sorted(found) == sorted(expected)
    for name, seen in found.items():
        assert seen == expected[name], name


def test_every_table_shows_its_columns_and_has_a_blocking_contract(tiny_shop: Settings) -> None:
    built = build_definitions(tiny_shop)
    graph = built.resolve_asset_graph()
    checks = {
        (check_key.asset_key, check_key.name): graph.get(check_key)
        for check_key in graph.asset_check_keys
    }
    for name, contract in CONTRACTS.items():
        key = dg.AssetKey(name.split("."))
        schema = graph.get(key).metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == list(contract.columns)
        assert all(column.description for column in schema.columns)
        assert checks[key, "contract"].blocking
        assert graph.get(key).freshness_policy is not None


def test_the_location_loads_as_the_server_loads_it(
    tiny_shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "load_settings", lambda: tiny_shop)
    repository = repository_def_from_target_def(definitions.defs)
    assert repository is not None
    assert {job.name for job in repository.get_all_jobs()} >= {"build", "ingest", "activation"}


def test_sensors_are_switched_on_and_the_schedule_runs_for_a_shop_that_lives(
    tiny_shop: Settings,
) -> None:
    built = build_definitions(tiny_shop)
    assert {
        sensor.name: sensor.default_status.value for sensor in built.sensors or []
    } == dict.fromkeys(
        ["automation", "activation", "alerts_after_success", "alerts_after_failure",
         "freshness_alerts"], "RUNNING",
    )  # fmt: skip
    lives = tiny_shop.model_copy(
        update={"platform": tiny_shop.platform.model_copy(update={"clock": "now"})}
    )
    status = {
        name: build_definitions(shop).resolve_schedule_def("daily_ingest").default_status.value
        for name, shop in {"past": tiny_shop, "lives": lives}.items()
    }
    assert status == {"past": "STOPPED", "lives": "RUNNING"}

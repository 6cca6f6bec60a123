"""The code location as Dagster loads it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import repository_def_from_target_def
from tiny_settings import living_settings

from marketing_platform import definitions
from marketing_platform.contracts import CONTRACTS
from marketing_platform.definitions import build_definitions, loaded_days, partition_bounds
from marketing_platform.lake import Lake
from marketing_platform.settings import CONFIG_DIR_VARIABLE, DATA_DIR_VARIABLE, Settings
from marketing_platform.sources.files.ingest import ingest
from sensors.schedules import days_to_load

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
        ["automation", "activation", "incidents_after_success", "incidents_after_failure",
         "freshness_incidents", "incidents"], "RUNNING",
    )  # fmt: skip
    lives = tiny_shop.model_copy(
        update={"platform": tiny_shop.platform.model_copy(update={"clock": "now"})}
    )
    status = {
        name: build_definitions(shop).resolve_schedule_def("daily_ingest").default_status.value
        for name, shop in {"past": tiny_shop, "lives": lives}.items()
    }
    assert status == {"past": "STOPPED", "lives": "RUNNING"}
    assert built.resolve_schedule_def("housekeeping").default_status.value == "RUNNING"


def test_every_asset_says_what_it_is_and_whose_also_a_stream_without_an_export(
    tiny_shop: Settings,
) -> None:
    for name, seen in inventory(tiny_shop).items():
        assert seen["group"] == name.partition("/")[0]
        assert all(seen[what] for what in ("description", "kinds", "owners")), name


def test_tables_follow_their_inputs_but_for_those_that_are_loaded_by_day(
    tiny_shop: Settings,
) -> None:
    graph = build_definitions(tiny_shop).resolve_asset_graph()
    follows = {
        "/".join(asset.path)
        for asset in graph.get_all_asset_keys()
        if graph.get(asset).automation_condition is not None
    }
    loaded = {asset for asset in inventory(tiny_shop) if asset not in follows}
    assert follows >= {"core/refunds", "core/clock", "identity/customers", "segments/sizes"}
    loaded -= {"profiles/history", "predictions/score_history", "quality/health"}
    assert {name.partition("/")[0] for name in loaded} == {"raw", "staging", "core", "activation"}
    assert "core/orders" in loaded


def living(settings: Settings) -> Settings:
    """The same shop with a clock that is now."""
    return settings.model_copy(
        update={"platform": settings.platform.model_copy(update={"clock": "now"})}
    )


def test_a_shop_that_lives_has_a_partition_for_today(built: Settings) -> None:
    graph = build_definitions(living(built)).resolve_asset_graph()
    keys = graph.get(dg.AssetKey(["core", "orders"])).partitions_def.get_partition_keys()
    assert keys[0] == "2024-03-01"
    assert keys[-1] == dt.datetime.now(dt.UTC).date().isoformat()


def test_partitions_keep_the_days_of_earlier_exports(built: Settings, tmp_path: Path) -> None:
    export = tmp_path / "orders.csv"
    head, *lines = export.read_text().splitlines()
    recent = [line for line in lines if "2024-03-1" in line]
    export.write_text("\n".join([head, *recent]) + "\n")
    ingest(built, "orders")
    assert partition_bounds(built) == (dt.date(2024, 3, 1), dt.date(2024, 3, 20))
    early = [line.replace("2024-03-1", "2024-02-1") for line in recent]
    export.write_text("\n".join([head, *early, *recent]) + "\n")
    ingest(built, "orders")
    assert loaded_days(built)[0] == dt.date(2024, 2, 10)


def test_people_and_products_of_long_ago_do_not_move_the_beginning_of_the_history(
    make_settings: Callable[..., Settings],
) -> None:
    shop = {"base_url": "https://shop.example", "consumer_key": "k", "consumer_secret": "s"}
    settings = make_settings(sources={"woocommerce": {**shop, "history_start": "2026-01-01"}})
    for stream in ("customers", "products"):
        folder = settings.lake_dir / "woocommerce" / stream
        folder.mkdir(parents=True)
        (folder / "2014-05-06.parquet").touch()
    assert loaded_days(settings)[0] == dt.date(2026, 1, 1)
    orders = settings.lake_dir / "woocommerce" / "orders"
    orders.mkdir(parents=True)
    (orders / "2025-12-30.parquet").touch()
    assert loaded_days(settings)[0] == dt.date(2025, 12, 30)


def test_a_daily_load_leaves_no_hole_after_days_on_which_nothing_ran() -> None:
    start, today = dt.date(2024, 1, 1), dt.date(2024, 6, 30)
    week_ago = dt.date(2024, 6, 23)
    assert days_to_load(today, start, dt.date(2024, 6, 29)) == (week_ago, today)
    assert days_to_load(today, start, dt.date(2024, 6, 1)) == (dt.date(2024, 6, 1), today)
    assert days_to_load(today, start, dt.date(2024, 7, 9)) == (week_ago, today)
    assert days_to_load(today, start, None) == (start, today)
    assert days_to_load(today, dt.date(2024, 6, 28), None) == (dt.date(2024, 6, 28), today)


def test_a_single_day_that_was_tried_out_is_not_taken_for_the_history(tmp_path: Path) -> None:
    site = {"type": "segment_events", "folder": str(tmp_path), "history_start": "2024-01-01"}
    settings = living_settings(tmp_path, sources={"site": site}, destinations={}, activations=[])
    lake = Lake(settings.lake_dir)

    def read(first: str, end: str) -> None:
        for stream in ("events", "identifies"):
            days = [f"{day}T00:00:00+00:00" for day in (first, end)]
            lake.stream("site", stream).write_note({"covered": days})

    read("2024-06-20", "2024-06-21")
    assert loaded_days(settings) == (dt.date(2024, 1, 1), None), "the first load is still to come"
    read("2024-01-01", "2024-06-21")
    assert loaded_days(settings) == (dt.date(2024, 1, 1), dt.date(2024, 6, 20))


def test_the_schedule_asks_at_each_tick_what_was_loaded(built: Settings) -> None:
    schedule = build_definitions(living(built)).resolve_schedule_def("daily_ingest")
    moment = dt.datetime(2024, 4, 5, 6, tzinfo=dt.UTC)
    with dg.build_schedule_context(scheduled_execution_time=moment) as context:
        (request,) = schedule.evaluate_tick(context).run_requests
    assert request.tags["dagster/asset_partition_range_start"] == "2024-03-20"
    assert request.tags["dagster/asset_partition_range_end"] == "2024-04-05"


def test_the_location_loads_without_warnings_and_without_heavy_libraries(tmp_path: Path) -> None:
    code = """
import sys, warnings
import dagster as dg
for kind in (dg.PreviewWarning, dg.SupersessionWarning, dg.BetaWarning, DeprecationWarning):
    warnings.simplefilter("error", kind)
from dagster._core.definitions.reconstruct import repository_def_from_target_def
from marketing_platform.definitions import defs
repository_def_from_target_def(defs).load_all_definitions()
print([name for name in ("matplotlib", "sklearn", "skops", "pandas") if name in sys.modules])
"""
    environment = {
        **os.environ,
        DATA_DIR_VARIABLE: str(tmp_path),
        CONFIG_DIR_VARIABLE: str(Path(__file__).parent.parent.parent / "config"),
    }
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"


def test_what_the_ui_shows_runs_by_itself_and_the_docs_say_what_for(tiny_shop: Settings) -> None:
    page = (GOLDEN.parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    built = build_definitions(tiny_shop)
    told = [*(built.sensors or []), *(built.schedules or [])]
    for one in told:
        assert one.description, one.name
        assert f"`{one.name}`" in page, one.name
    for key in built.resolve_asset_graph().asset_check_keys:
        assert f"| `{key.name}`" in page or f", `{key.name}`" in page, key

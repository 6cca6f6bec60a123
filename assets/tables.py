"""Turns the engine's tables into assets, each with its contract as a blocking check."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from assets.automation import DAILY, after_inputs
from assets.checks import OwnCheck, own_checks, recorded
from assets.metadata import lineage_metadata, static_metadata
from assets.names import LOAD_TAG, OWNER, WAREHOUSE_POOL, asset_key
from assets.plots import plots_of
from marketing_platform.contracts import contract_of
from marketing_platform.errors import ContractError
from marketing_platform.pipeline import all_tables, build_table, days_of_load, raw_inputs
from marketing_platform.quality.checks import newest_record
from marketing_platform.quality.results import (
    CheckResult,
    forget_check,
    latest_builds,
    record_build,
    record_check,
)
from marketing_platform.settings import Settings
from marketing_platform.sources.staging import FILES
from marketing_platform.state import open_state
from marketing_platform.warehouse import Built, DayTable, Part, PythonTable, SqlTable, Table
from resources.warehouse import WarehouseResource

CONTRACT_CHECK = "contract"
# Kept while it fails: the last build of the table ended in an error that no contract foresees.
BUILT_CHECK = "built"


def table_assets(
    schemas: Sequence[str], settings: Settings, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetsDefinition]:
    """The assets of all tables of these schemas.

    A table that is built in parts has daily partitions where exports alone feed it: an export
    covers days. What systems tell on a day is of any day, so what they feed is built whole. A table
    of the past has them always.
    """
    checks = own_checks(settings)
    return [
        table_asset(
            settings,
            table,
            partitions
            if isinstance(table, DayTable) or _is_fed_by_exports(settings, str(table.name))
            else None,
            checks.get(str(table.name), ()),
        )
        for table in all_tables(settings).values()
        if table.name.schema in schemas
    ]


def _is_fed_by_exports(settings: Settings, name: str) -> bool:
    raw = raw_inputs(settings, name)
    return bool(raw) and all(view.startswith(f"raw.{FILES}_") for view in raw)


def table_asset(
    settings: Settings,
    table: Table,
    partitions: dg.PartitionsDefinition[str] | None,
    checks: Sequence[OwnCheck] = (),
) -> dg.AssetsDefinition:
    """The asset of one table; with `partitions`, one that is built in parts is built by day."""
    name = str(table.name)
    contract = contract_of(name)
    key = asset_key(name)
    is_partitioned = (
        partitions is not None and contract.partition_by is not None and not contract.rolled_from
    )

    @dg.asset(
        key=key,
        deps=[asset_key(read) for read in table.reads],
        description=table.description,
        group_name=table.name.schema,
        kinds={"duckdb", "sql" if isinstance(table, SqlTable) else "python"},
        owners=[OWNER],
        # A part's run writes an event per day; what never changes stands on the asset instead.
        metadata={
            **static_metadata(contract),
            **(lineage_metadata(table, settings) if is_partitioned else {}),
        },
        partitions_def=partitions if is_partitioned else None,
        backfill_policy=dg.BackfillPolicy.single_run() if is_partitioned else None,
        automation_condition=None if is_loaded(name, is_partitioned) else after_inputs(),
        freshness_policy=DAILY,
        check_specs=[
            dg.AssetCheckSpec(
                CONTRACT_CHECK,
                asset=key,
                blocking=True,
                description="Columns, types, nulls, ranges and the key, checked before publishing.",
            ),
            *(check.spec(name) for check in checks),
        ],
        pool=WAREHOUSE_POOL,
    )
    def _build(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        platform: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        part = part_of(context) if is_partitioned else None
        state = open_state(platform.state_url.get_secret_value())
        if part and LOAD_TAG in context.run.tags:
            part = days_of_load(platform, name, part, _last_built(state, name))
        started = time.monotonic()
        try:
            with _opened_once(warehouse, table):
                with held_while_broken(state, name):
                    built = build_table(warehouse.engine, platform, name, part)
                newest = newest_record(warehouse.engine, name)
                materialized = _materialized(table, built, warehouse, platform)
                looked = [check.look(warehouse.engine) for check in checks]
        except ContractError as error:
            yield recorded(state, CheckResult(name, CONTRACT_CHECK, False, error.what))
            raise dg.Failure(str(error), allow_retries=False) from error
        kept = f"{built.row_count} rows keep the contract"
        record_build(state, name, built.row_count, newest, time.monotonic() - started)
        for result in (CheckResult(name, CONTRACT_CHECK, True, kept), *looked):
            yield recorded(state, result)
        yield materialized

    return _build


def _last_built(state: sa.Engine, name: str) -> datetime:
    """When a table was last built, or before all times."""
    moments = (build.built_at for build in latest_builds(state) if build.table_name == name)
    return next(moments, datetime.min.replace(tzinfo=UTC))


def is_loaded(name: str, is_partitioned: bool) -> bool:
    """Whether a table is only built by the daily job and by hand; all others follow their inputs.

    Staging has no days of its own. To follow it, a table with partitions would be built again for
    all days of the past.
    """
    return is_partitioned or name.startswith("staging.")


def part_of(context: dg.AssetExecutionContext) -> Part:
    """The days that a run of a partitioned asset covers."""
    window = context.partition_time_window
    return Part(window.start.date(), window.end.date() - timedelta(days=1))


@contextmanager
def _opened_once(warehouse: WarehouseResource, table: Table) -> Iterator[None]:
    """Keep the file open through the short statements of a step: opening takes longer than they do.

    A table that takes its time to compute leaves the file to others meanwhile.
    """
    if isinstance(table, PythonTable) and table.is_long:
        yield
    else:
        with warehouse.get_connection():
            yield


@contextmanager
def held_while_broken(state: sa.Engine, name: str) -> Iterator[None]:
    """Hold activation from an error in the build of a table until a build of it succeeds.

    A broken contract is told by its own check.
    """
    try:
        yield
    except ContractError:
        forget_check(state, name, BUILT_CHECK)
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no message"]
        detail = f"{type(error).__name__}: {lines[0]}"
        record_check(state, CheckResult(name, BUILT_CHECK, False, detail))
        raise
    forget_check(state, name, BUILT_CHECK)


def _materialized(
    table: Table, built: Built, warehouse: WarehouseResource, settings: Settings
) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        asset_key=asset_key(str(table.name)),
        metadata={
            "dagster/row_count": built.row_count,
            "written_rows": built.written_count,
            **({} if built.is_part else lineage_metadata(table, settings)),
            **plots_of(warehouse.engine, str(table.name)),
        },
    )

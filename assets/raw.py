"""Raw assets: the records of each configured stream as they came, by day."""

import dagster as dg

from assets.automation import DAILY
from assets.fields import checked_fields, fields_spec
from assets.metadata import raw_metadata
from assets.names import LOAD_TAG, OWNER, WAREHOUSE_POOL, asset_key
from assets.pulled import pulled_assets
from assets.tables import held_while_broken, part_of
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import Ingested, create_view, ingest
from marketing_platform.state import open_state
from resources.warehouse import WarehouseResource


def raw_assets(
    settings: Settings, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of the exports and of the systems that are configured."""
    exports = [_raw_asset(stream, partitions) for stream in settings.platform.sources.files]
    return [*exports, *pulled_assets(settings, partitions)]


def _raw_asset(stream: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(f"raw.files_{stream}"),
        group_name="raw",
        description=f"One row is a record of the export of {stream}, as it came.",
        kinds={"parquet", "file"},
        owners=[OWNER],
        metadata=raw_metadata(f"raw.files_{stream}"),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=DAILY,
        pool=WAREHOUSE_POOL,
        check_specs=[fields_spec(f"raw.files_{stream}")],
    )
    def _raw(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        platform: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        state = open_state(platform.state_url.get_secret_value())
        with held_while_broken(state, f"raw.files_{stream}"):
            # An export replaces all that it covers; only a backfill takes in single days of it.
            part = None if LOAD_TAG in context.run.tags else part_of(context)
            ingested = ingest(platform, stream, part)
            create_view(warehouse.engine, platform, stream)
        checked = checked_fields(state, f"raw.files_{stream}", ingested.missing)
        return dg.MaterializeResult(metadata=_metadata(ingested), check_results=[checked])

    return _raw


def _metadata(ingested: Ingested) -> dict[str, dg.MetadataValue]:
    mapping = "\n".join(
        f"| {field} | {column.name} | {column.parse} |"
        for field, column in ingested.columns.items()
    )
    return {
        "export_rows": dg.MetadataValue.int(ingested.row_count),
        "first_day": dg.MetadataValue.text(ingested.first.isoformat()),
        "last_day": dg.MetadataValue.text(ingested.last.isoformat()),
        "mapping": dg.MetadataValue.md(f"| field | column | read as |\n|---|---|---|\n{mapping}"),
    }

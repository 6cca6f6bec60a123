"""Raw assets of the systems that are pulled: one per stream, and one per list in its records."""

import datetime as dt

import dagster as dg

from assets.automation import DAILY
from assets.fields import checked_fields, fields_spec
from assets.names import LOAD_TAG, OWNER, asset_key
from assets.tables import held_while_broken, part_of
from marketing_platform.lake import Lake
from marketing_platform.settings import Settings
from marketing_platform.sources import raw_view
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.coverage import covered, left_to_read
from marketing_platform.sources.pull import Pulled, pull
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.state import open_state
from marketing_platform.warehouse import Part


def pulled_assets(
    settings: Settings, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of all configured systems."""
    return [
        asset
        for source in active_sources(settings)
        for stream in source.streams
        for asset in (_stream_asset(source, stream, partitions), *_items_specs(source, stream))
    ]


def window_of(part: Part) -> Window:
    """The moments of days, in UTC."""
    end = part.last + dt.timedelta(days=1)
    return Window(
        dt.datetime.combine(part.first, dt.time(), dt.UTC),
        dt.datetime.combine(end, dt.time(), dt.UTC),
    )


def _stream_asset(
    source: ActiveSource, stream: Stream, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    name = source.raw_name(stream.name)

    @dg.asset(
        key=asset_key(name),
        group_name="raw",
        description=f"One row is a record of {stream.name} as {source.system.title} gave it.",
        kinds={"parquet"},
        owners=[OWNER],
        metadata=_static_metadata(source, name),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=DAILY,
        # One pull of a system at a time: its limits are for all of them together.
        pool=f"source_{source.name}",
        check_specs=[fields_spec(name)],
    )
    def _raw(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult:
        state = open_state(platform.state_url.get_secret_value())
        window = window_of(part_of(context))
        if LOAD_TAG in context.run.tags:
            note = Lake(platform.lake_dir).stream(source.name, stream.name).note()
            history_start = source.history_start(dt.datetime.now(dt.UTC).date())
            window = left_to_read(window, stream, history_start, covered(note))
        with held_while_broken(state, name):
            done = pull(platform, source, stream, window)
        checked = checked_fields(state, name, done.drift.missing)
        return dg.MaterializeResult(metadata=_metadata(done), check_results=[checked])

    return _raw


def _items_specs(source: ActiveSource, stream: Stream) -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            asset_key(source.raw_name(items.name)),
            deps=[asset_key(source.raw_name(stream.name))],
            group_name="raw",
            description=f"One row is an element of {' '.join(items.levels)} in {stream.name}.",
            kinds={"view"},
            owners=[OWNER],
            metadata=_static_metadata(source, source.raw_name(items.name)),
        )
        for items in stream.items
    ]


def _static_metadata(source: ActiveSource, name: str) -> dict[str, object]:
    columns = [
        dg.TableColumn(column, kind) for column, kind in raw_view.raw_columns(source)[name].items()
    ]
    return {"dagster/table_name": name, "dagster/column_schema": dg.TableSchema(columns)}


def _metadata(done: Pulled) -> dict[str, dg.MetadataValue]:
    newest = done.newest_record.isoformat() if done.newest_record else "none"
    return {
        "read_from": dg.MetadataValue.text(done.window.first.isoformat()),
        "records": dg.MetadataValue.int(done.record_count),
        "pages": dg.MetadataValue.int(done.page_count),
        "written_days": dg.MetadataValue.int(len(done.written_days)),
        "newest_record": dg.MetadataValue.text(newest),
        "requests": dg.MetadataValue.int(int(done.traffic.requests)),
        "retries": dg.MetadataValue.int(int(done.traffic.retries)),
        "waited_seconds": dg.MetadataValue.float(round(done.traffic.waited_seconds, 3)),
        "received_bytes": dg.MetadataValue.int(int(done.traffic.received_bytes)),
        "new_fields": dg.MetadataValue.text(", ".join(done.drift.new) or "none"),
        "vanished_fields": dg.MetadataValue.text(", ".join(done.drift.vanished) or "none"),
    }

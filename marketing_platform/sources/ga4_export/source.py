"""The BigQuery export of Google Analytics 4, as files: `events_20260131*.parquet` or `.json`.

A day's table is exported while the day runs (`events_intraday_...`) and once more when it is over;
then the intraday files are left aside. Google changes a day's table for up to three days.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from typing import Any

import duckdb

from marketing_platform.errors import SourceError
from marketing_platform.sources.fields import date, ident, microseconds, person, text
from marketing_platform.sources.folders import FolderSettings
from marketing_platform.sources.json_lines import lines_of
from marketing_platform.sources.stream import Query, Stream, Window
from marketing_platform.sources.system import System, SystemSettings

_CHANGING_DAYS = 4
_NAME = re.compile(
    r"events_(?P<intraday>intraday_)?(?P<day>\d{8})[^/\\]*\.(parquet|(jsonl?|ndjson)(\.gz|\.zst)?)$"
)
_VALUES = ("string", "int", "float", "double")
# Tells two events apart that happened in the same microsecond.
_IDENTITY = (
    "$.stream_id",
    "$.user_pseudo_id",
    "$.event_timestamp",
    "$.event_name",
    "$.event_bundle_sequence_id",
    "$.batch_page_id",
    "$.batch_ordering_id",
    "$.batch_event_index",
    "$.event_params",
    "$.items",
)


class Ga4ExportSettings(FolderSettings):
    """The folder or the bucket that BigQuery exports to."""


def _select(con: duckdb.DuckDBPyConnection, settings: SystemSettings, window: Window) -> str:
    """The events of the window's days."""
    assert isinstance(settings, Ga4ExportSettings)  # noqa: S101 - tells the type checker
    rows = [
        _rows(day, path)
        for day, paths in sorted(_files_by_day(con, settings).items())
        if window.first_date <= day <= window.last_date
        for path in paths
    ]
    return _reshaped(" union all ".join(rows)) if rows else "select '' as payload where false"


def _files_by_day(
    con: duckdb.DuckDBPyConnection, settings: Ga4ExportSettings
) -> dict[dt.date, list[str]]:
    """The files of each day: those of the whole day, else those of the day as far as it got."""
    whole: dict[dt.date, list[str]] = defaultdict(list)
    begun: dict[dt.date, list[str]] = defaultdict(list)
    for path in settings.files(con):
        if name := _NAME.search(path):
            day = dt.datetime.strptime(name["day"], "%Y%m%d").replace(tzinfo=dt.UTC).date()
            (begun if name["intraday"] else whole)[day].append(path)
    if not whole and not begun:
        raise SourceError(
            "no file events_YYYYMMDD* of a GA4 export",
            where=settings.folder,
            mend="Correct the folder",
        )
    return {**begun, **whole}


def _rows(day: dt.date, path: str) -> str:
    """A row per event: its day and its JSON. A line that is no JSON becomes a JSON text."""
    if path.endswith(".parquet"):
        quoted = "'" + path.replace("'", "''") + "'"
        read = f"read_parquet({quoted})"
        return f"select '{day}' as day, to_json(e) as json from {read} as e"  # noqa: S608
    return f"select '{day}' as day, line as json from ({lines_of([path])})"  # noqa: S608


def _reshaped(rows: str) -> str:
    """The events as they came, with three things put before them, for paths cannot reach them.

    `_key` tells an event from all others, `_day` is the day of its table, and `_params` has the
    values of `event_params`, which is a list `[{key, value: {string_value, int_value, ...}}]`; of a
    parameter that is there twice the first counts.
    """
    values = ", ".join(f"p.value.{kind}_value" for kind in _VALUES)
    value = ", ".join(f'"{kind}_value": "VARCHAR"' for kind in _VALUES)
    return f"""
        with
        events as (
            select
                day,
                json,
                json_type(json) = 'OBJECT' and json <> '{{}}' as is_event,
                md5(array_to_string(json_extract_string(json, {list(_IDENTITY)}), chr(31))) as key,
                list_filter(
                    json_transform(
                        json -> '$.event_params', '[{{"key": "VARCHAR", "value": {{{value}}}}}]'
                    ),
                    lambda p: p.key is not null
                ) as params
            from ({rows})
        ),
        named as (
            select
                *,
                map_from_entries(
                    list_transform(
                        list_filter(
                            params,
                            lambda p, i: i = list_position(
                                list_transform(params, lambda q: q.key), p.key
                            )
                        ),
                        lambda p: struct_pack(k := p.key, v := coalesce({values}))
                    )
                ) as named_params
            from events
        )
        select
            case
                when is_event then concat(
                    '{{"_key":"', key, '","_day":"', day, '","_params":',
                    coalesce(cast(to_json(named_params) as varchar), 'null'), ',',
                    substr(ltrim(cast(json as varchar)), 2)
                )
                else cast(json as varchar)
            end as payload
        from named
    """  # noqa: S608 - made of names of our own


def _probe(client: Any, settings: Ga4ExportSettings) -> str:
    with duckdb.connect() as con:
        days = _files_by_day(con, settings)
    return f"{len(days)} days, the newest {max(days)}"


SYSTEM = System(
    "ga4_export",
    "GA4 BigQuery export",
    Ga4ExportSettings,
    streams=(
        Stream(
            "events",
            Query(_select),
            updated_at=date("export_date", "$._day"),
            record_keys=("$._key",),
            fields=(
                ident("event_key", "$._key"),
                date("export_date", "$._day"),
                text("event_name", "$.event_name"),
                microseconds("occurred_at", "$.event_timestamp"),
                person("user_id", "$.user_id"),
                ident("user_pseudo_id", "$.user_pseudo_id"),
                ident("item_id", "$.items[0].item_id"),
                ident(
                    "transaction_id",
                    "$.ecommerce.transaction_id",
                    "$._params.transaction_id",
                ),
                text("page_location", "$._params.page_location"),
                text(
                    "source",
                    "$.session_traffic_source_last_click.manual_campaign.source",
                    "$.collected_traffic_source.manual_source",
                    "$._params.source",
                ),
                text(
                    "medium",
                    "$.session_traffic_source_last_click.manual_campaign.medium",
                    "$.collected_traffic_source.manual_medium",
                    "$._params.medium",
                ),
                text(
                    "campaign",
                    "$.session_traffic_source_last_click.manual_campaign.campaign_name",
                    "$.collected_traffic_source.manual_campaign_name",
                    "$._params.campaign",
                ),
                text("device_category", "$.device.category"),
            ),
            reads="report",
            look_back_days=_CHANGING_DAYS,
        ),
    ),
    probe=_probe,
)

"""Keys, groups and the pool: how engine names become Dagster names."""

from __future__ import annotations

import warnings

import dagster as dg

from marketing_platform.names import TableName

# One writer at a time may open the warehouse, across runs.
WAREHOUSE_POOL = "warehouse"
OWNER = "team:data"
# On the runs of the daily and hourly loads; a backfill, which reads all that it names, has it not.
LOAD_TAG = "marketing_platform/load"

# Single-run backfills are marked beta; the pinned version and a test hold them.
warnings.filterwarnings(
    "ignore", message="Parameter `backfill_policy` of function `asset`", category=dg.BetaWarning
)


def asset_key(name: str) -> dg.AssetKey:
    """The asset key of a table: `profiles.rfm` is `profiles/rfm`."""
    return dg.AssetKey(list(TableName.parse(name)))


def table_name(key: dg.AssetKey) -> str:
    """The table of an asset key."""
    return ".".join(key.path)

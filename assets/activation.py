"""The assets that send: plans and messages. They live in the state database, not the warehouse."""

from __future__ import annotations

import dagster as dg

from assets.names import OWNER, WAREHOUSE_POOL, asset_key


def activation_assets() -> list[dg.AssetsDefinition]:
    return []

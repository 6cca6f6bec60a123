"""What the killed processes of the crash tests do. Imported by a fork server, so it starts fast."""

from __future__ import annotations

import os
from pathlib import Path

from small_shop import SmallShop, small_settings, webhook

from marketing_platform.activation import activate, dispatch
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse

# A longer run: CRASH_ROWS=20000 CRASH_KILLS=200.
ROWS = int(os.environ.get("CRASH_ROWS", "2000"))


def crash_settings(folder: Path, url: str, *, is_idempotent: bool = True) -> Settings:
    crm = webhook(url, batch_size=20, is_idempotent=is_idempotent, timeout_seconds=20)
    return small_settings(folder, {"crm": crm})


def run(
    folder: str, state_url: str, url: str, is_idempotent: bool = True, plans: bool = True
) -> None:
    """Plan and send, or only send, and end without a farewell."""
    engine = open_state(state_url)
    settings = crash_settings(Path(folder), url, is_idempotent=is_idempotent)
    if plans:
        activate(Warehouse(Path(folder) / "warehouse.duckdb"), engine, settings)
    else:
        dispatch(engine, settings)
    os._exit(0)


def open_shop(folder: Path) -> SmallShop:
    return SmallShop(folder / "warehouse.duckdb")

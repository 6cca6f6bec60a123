"""Where a shop's things lie, for the commands that look at them."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import sqlalchemy as sa

from marketing_platform.errors import ConfigError, InputError
from marketing_platform.quality.holds import lost_ledger
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse


def built_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of a shop that was built. Raises InputError where nothing was."""
    if not settings.warehouse_path.exists():
        raise InputError("nothing was built yet", mend="Start: marketing-platform run")
    return open_warehouse(settings)


def shop_state(settings: Settings) -> sa.Engine:
    """The state in which people's words are kept. Raises ConfigError where it is another shop's.

    What is said of a person in an empty one, as by who has not the services' URL, is never read.
    """
    state = open_state(settings.state_url.get_secret_value())
    if lost := lost_ledger(state, settings):
        raise ConfigError(lost[0])
    return state


def unbuilt_table(error: Exception) -> InputError | None:
    """The same in one line, where an error came of a table that no build has made; else None."""
    found = re.search(r"Table with name (\w+) does not exist", str(error))
    if not isinstance(error, duckdb.CatalogException) or not found:
        return None
    return InputError(
        "this table was not built yet", where=found[1], mend="Start: marketing-platform run"
    )


def unusable_warehouse(error: Exception) -> InputError | None:
    """The same in one line, where an error came of a warehouse that cannot be opened; else None."""
    if not isinstance(error, duckdb.IOException):
        return None
    if found := re.search(r'set lock on file "([^"]+)"', str(error)):
        holder = re.search(r" \(PID \d+\)", str(error))
        return InputError(
            f"another program has it open{holder[0] if holder else ''}",
            where=found[1],
            mend="Close it, or try again after the build",
        )
    if found := re.search(r'file "([^"]+)" exists, but it is not a valid', str(error)):
        return InputError(
            "not a warehouse, or damaged",
            where=found[1],
            mend="Restore a backup, or move it away and run again: it is built anew",
        )
    return None


def open_warehouse(settings: Settings) -> Warehouse:
    """The shop's warehouse within its limits."""
    limits = settings.platform.warehouse
    return Warehouse(
        settings.warehouse_path, memory_limit=limits.memory_limit, threads=limits.threads
    )


def shown(path: Path) -> str:
    """A path as a person at this place writes it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

"""The sources that a shop has configured: a name, a system, and its settings."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from marketing_platform.errors import ConfigError
from marketing_platform.mistakes import first_mistake
from marketing_platform.remembered import remembered
from marketing_platform.settings import Settings
from marketing_platform.sources.stream import Stream
from marketing_platform.sources.system import System, SystemSettings, find_system, system_types

HISTORY_DAYS = 365
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class ActiveSource:
    """A configured system. `name` is the key in the settings, and part of its tables' names.

    `tokens_dir` is where refresh tokens that the vendor replaced are shared.
    """

    name: str
    system: System
    settings: SystemSettings = field(repr=False)
    tokens_dir: Path | None = None

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that are pulled: those that the settings name, or all that everybody has."""
        wanted = self.settings.streams
        there = self.system.all_streams(self.settings)
        return tuple(s for s in there if (s.name in wanted if wanted else not s.is_optional))

    def history_start(self, today: dt.date) -> dt.date:
        """The day from which on what happened there is read; `today` is in UTC."""
        return self.settings.history_start or today - dt.timedelta(days=HISTORY_DAYS)

    def raw_name(self, stream_or_items: str) -> str:
        """The raw view of a stream or of a list in it, e.g. `raw.shopify_orders`."""
        return f"raw.{self.name}_{stream_or_items}"


@remembered
def active_sources(settings: Settings) -> tuple[ActiveSource, ...]:
    """The configured systems by name; a mistake in their settings is told with its key."""
    systems = settings.platform.sources.systems
    where = str(settings.config_dir / "platform.yaml")
    tokens_dir = settings.tokens_dir
    found = tuple(_active(name, systems[name], where, tokens_dir) for name in sorted(systems))
    own = {source.name for source in found if source.settings.customer_ids_of is None}
    own |= {"files"} if settings.platform.sources.files else set()
    for source in found:
        other = source.settings.customer_ids_of
        if other is not None and other not in own:
            known = ", ".join(sorted(own)) or "none"
            raise ConfigError(
                f"sources.{source.name}.customer_ids_of: no source {other!r} with keys of its own",
                where=where,
                mend=f"There are: {known}",
            )
    return found


def _active(name: str, content: object, where: str, tokens_dir: Path) -> ActiveSource:
    given = dict(content) if isinstance(content, dict) else {}
    type_name = given.setdefault("type", name)
    if not _NAME.match(name) or "__" in name:
        raise ConfigError(f"sources.{name}: not a name", where=where, mend="Use a-z, 0-9 and _")
    if type_name not in system_types():
        known = ", ".join(["files", *system_types()])
        raise ConfigError(
            f"sources.{name}: no system {type_name!r}", where=where, mend=f"There are: {known}"
        )
    system = find_system(type_name)
    try:
        parsed = system.settings_model.model_validate(given)
    except ValidationError as error:
        raise ConfigError(
            first_mistake(error, system.settings_model, "sources", name),
            where=where,
            mend="Correct this key",
        ) from None
    there = [stream.name for stream in system.all_streams(parsed)]
    unknown = set(parsed.streams) - set(there)
    if unknown:
        known = ", ".join(there)
        raise ConfigError(
            f"sources.{name}.streams: no stream {sorted(unknown)[0]!r}",
            where=where,
            mend=f"There are: {known}",
        )
    return ActiveSource(name, system, parsed, tokens_dir)

"""Checks the activation rules: every name in them must exist."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from marketing_platform.contracts import CONTRACTS
from marketing_platform.destinations.registry import IDENTIFYING
from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.warehouse import Warehouse

_WHERE = "activations in config/platform.yaml"


def check_rules(warehouse: Warehouse, settings: Settings, rules: Iterable[ActivationRule]) -> None:
    """Refuse rules that name a destination, segment or attribute that does not exist."""
    segments = _segments(warehouse)
    seen: set[tuple[str, str]] = set()
    for rule in rules:
        check_destination(rule.destination, settings)
        if rule.segment not in segments:
            raise _unknown("segment", rule.segment, segments)
        for name in rule.attributes:
            if name not in CONTRACTS["profiles.customers"].columns:
                raise _unknown("attribute", name, CONTRACTS["profiles.customers"].columns.keys())
        if (rule.segment, rule.destination) in seen:
            raise ConfigError(
                f"{rule.segment} goes to {rule.destination} twice",
                where=_WHERE,
                mend="Keep one of the two rules",
            )
        seen.add((rule.segment, rule.destination))


def check_destination(name: str, settings: Settings) -> None:
    """Refuse a destination that the settings do not have."""
    if name not in settings.platform.destinations:
        raise _unknown("destination", name, settings.platform.destinations.keys())


def payload_columns(rule: ActivationRule) -> list[str]:
    """The attributes of a payload; sorted, so that reordering the settings changes no content."""
    return sorted(set(rule.attributes) - set(IDENTIFYING))


def _segments(warehouse: Warehouse) -> list[str]:
    for table in ("segments.sizes", "segments.memberships", "profiles.customers"):
        if not warehouse.exists(table):
            raise ConfigError(f"the table {table} is not built", mend="Build the warehouse first")
    return warehouse.query("select segment from segments.sizes")["segment"].to_list()


def _unknown(what: str, name: str, known: Collection[str]) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = ", ".join(sorted(known)) or "none"
    mend = f"Did you mean {near[0]}?" if near else f"Known: {listed}"
    return ConfigError(f"unknown {what} {name!r}", where=_WHERE, mend=mend)

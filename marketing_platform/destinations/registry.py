"""Makes the destinations that the settings name."""

from __future__ import annotations

import importlib
from typing import Any

from marketing_platform.destinations.base import Audience, Destination, EventName, Place
from marketing_platform.settings import Mode, Settings


def make_destination(name: str, settings: Settings) -> Destination:
    """The destination `name` of `config/platform.yaml`."""
    declared = settings.platform.destinations[name]
    rules = {rule.name: rule for rule in settings.platform.activations if rule.destination == name}
    place = Place(rules, settings.feeds_dir / name, settings.tokens_dir)
    made: Destination = _module(declared.type).DESTINATION(name, declared, place)
    return made


def modes_of(kind: str) -> tuple[Mode, ...]:
    """What a rule may ask of a type of destination."""
    modes: tuple[Mode, ...] = _module(kind).DESTINATION.modes
    return modes


def audience_of(kind: str) -> Audience | None:
    """What the audience of a rule is at a type of destination, where that is limited."""
    audience: Audience | None = _module(kind).DESTINATION.audience
    return audience


def event_of(kind: str) -> EventName | None:
    """What the name of an event must be at a type of destination, where that is limited."""
    event: EventName | None = getattr(_module(kind).DESTINATION, "event", None)
    return event


def shares_audience(kind: str) -> bool:
    """Whether rules may name one audience: nobody is taken out of it by its name."""
    shares: bool = _module(kind).DESTINATION.shares_audience
    return shares


def _module(kind: str) -> Any:
    return importlib.import_module(f"marketing_platform.destinations.vendors.{kind}")

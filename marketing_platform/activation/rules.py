"""Checks the activation rules: every name in them must exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from marketing_platform.activation.attributes import known_attributes, tables_told
from marketing_platform.activation.cause import check_cause
from marketing_platform.destinations.base import IDENTIFYING
from marketing_platform.destinations.people import NotTold, names_in
from marketing_platform.destinations.registry import (
    audience_of,
    event_of,
    modes_of,
    shares_audience,
)
from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.warehouse import Warehouse


def check_rules(warehouse: Warehouse, settings: Settings, rules: Iterable[ActivationRule]) -> None:
    """Refuse rules that name a destination, segment or attribute that does not exist."""
    chosen = tuple(rules)
    check_declared(settings, chosen, _segments(warehouse))
    for rule in chosen:
        for table in sorted(tables_told(rule.attributes)):
            _refuse_missing(warehouse, table)
        check_cause(warehouse, rule, _where(settings))


def check_declared(
    settings: Settings, rules: Iterable[ActivationRule], segments: Collection[str]
) -> None:
    """Refuse what is wrong with rules whatever the data: no warehouse is needed to tell it."""
    check_feeds(settings)
    seen: set[tuple[str, str]] = set()
    kept: dict[tuple[str, str], str] = {}
    for rule in rules:
        check_destination(rule.destination, settings)
        if rule.segment not in segments:
            raise _unknown("segment", rule.segment, segments, settings)
        for name in rule.attributes:
            if name not in known_attributes():
                raise _unknown("attribute", name, known_attributes().keys(), settings)
        _check_mode(rule, settings)
        _check_templates(rule, settings)
        if (rule.name, rule.destination) in seen:
            raise ConfigError(
                f"{rule.name} goes to {rule.destination} twice",
                where=_where(settings),
                mend="Keep one of the two rules",
            )
        seen.add((rule.name, rule.destination))
        _check_alone(rule, kept, settings)


def check_feeds(settings: Settings) -> None:
    """Refuse a feed whose destination does not exist, or takes no feeds."""
    for name, feed in settings.platform.feeds.items():
        if feed.destination is None:
            continue
        declared = settings.platform.destinations
        kinds = {other: one.type for other, one in declared.items() if not modes_of(one.type)}
        if feed.destination not in kinds:
            listed = ", ".join(sorted(kinds)) or "none"
            raise ConfigError(
                f"feeds.{name}: {feed.destination!r} is no destination that takes feeds",
                where=_file(settings),
                mend=f"There are: {listed}; one has the type google_merchant",
            )


def check_destination(name: str, settings: Settings) -> None:
    """Refuse a destination that the settings do not have."""
    if name not in settings.platform.destinations:
        raise _unknown("destination", name, settings.platform.destinations.keys(), settings)


def _check_mode(rule: ActivationRule, settings: Settings) -> None:
    """Refuse what the destination cannot do."""
    kind = settings.platform.destinations[rule.destination].type
    modes = modes_of(kind)
    if rule.mode in modes:
        _check_audience(rule, kind, settings)
        _check_event(rule, kind, settings)
        _check_places(rule, settings)
        _check_asked_for(rule, settings)
        lacks = settings.platform.destinations[rule.destination].lacks_for_messages
        if rule.message and lacks:
            raise ConfigError(
                f"{rule.segment} to {rule.destination}: who gets its mails could not unsubscribe",
                where=f"destinations.{rule.destination} in {_file(settings)}",
                mend=f"Give it {lacks}",
            )
        return
    if not modes:
        raise ConfigError(
            f"{rule.segment} to {rule.destination}: {kind} takes product feeds alone",
            where=_where(settings),
            mend=f"Name it under feeds: destination: {rule.destination}",
        )
    told = " or ".join(modes)
    if rule.mode == "audience" and rule.audience is None:
        mend = f"Add {told}: ... to the rule"
    else:
        mend = f"Write {told} instead"
    raise ConfigError(
        f"{rule.segment} to {rule.destination}: {kind} takes {told}, not {rule.mode}",
        where=_where(settings),
        mend=mend,
    )


def _check_audience(rule: ActivationRule, kind: str, settings: Settings) -> None:
    """Refuse a rule that does not say which audience it means, or says what cannot be one."""
    known = audience_of(kind)
    if known is None or rule.mode != "audience":
        return
    is_missing = rule.audience is None and known.is_needed
    is_wrong = rule.audience is not None and known.is_number and not rule.audience.isdigit()
    if is_missing or is_wrong:
        raise ConfigError(
            f"{rule.segment} to {rule.destination}: {kind} needs {known.what}",
            where=_where(settings),
            mend="Write it as audience: '123'",
        )


def _check_event(rule: ActivationRule, kind: str, settings: Settings) -> None:
    """Refuse the name of an event that the destination would refuse for each person."""
    known = event_of(kind)
    if rule.event is None or known is None or re.fullmatch(known.pattern, rule.event):
        return
    raise ConfigError(
        f"{rule.segment} to {rule.destination}: {kind} takes no event {rule.event!r}",
        where=_where(settings),
        mend=f"Write {known.what}",
    )


def _check_alone(
    rule: ActivationRule, kept: dict[tuple[str, str], str], settings: Settings
) -> None:
    """Refuse a second rule that keeps an audience: who leaves one of them would be taken out."""
    if rule.is_once or shares_audience(settings.platform.destinations[rule.destination].type):
        return
    over_there = rule.audience or rule.label
    other = kept.setdefault((rule.destination, over_there), rule.name)
    if other != rule.name:
        raise ConfigError(
            f"{rule.name} to {rule.destination}: its audience, {over_there}, is that of {other}"
            " too, and who leaves one of them would be taken out",
            where=_where(settings),
            mend="Give each an audience of its own, or make one segment of both",
        )


def _check_places(rule: ActivationRule, settings: Settings) -> None:
    """Refuse an attribute that was asked for and would be left out over there."""
    destination = settings.platform.destinations[rule.destination]
    if rule.mode != "audience" or "attributes" not in rule.model_fields_set:
        return
    for name in rule.attributes:
        if destination.takes(name) or name in (*rule.needs, *IDENTIFYING):
            continue
        place = destination.place
        mend = f"Name its field under {place} of {rule.destination}" if place else "Take it out"
        raise ConfigError(
            f"{rule.segment} to {rule.destination}: {destination.type} has no place for {name!r}",
            where=_where(settings),
            mend=mend,
        )


def _check_asked_for(rule: ActivationRule, settings: Settings) -> None:
    """Refuse a rule that does not tell whom it is about, or has no words for them."""
    destination = settings.platform.destinations[rule.destination]
    place = f"{rule.segment} to {rule.destination}"
    asked = destination.asks_for
    if asked and not set(asked) & set(rule.attributes):
        told = " or ".join(asked)
        raise ConfigError(
            f"{place}: {destination.type} reaches nobody of whom {told} is not told",
            where=_where(settings),
            mend=f"Add {told} to the rule's attributes",
        )
    content = rule.message or rule.task
    if content and (lacks := destination.lacks_words(content)):
        raise ConfigError(
            f"{place}: the {rule.mode} lacks {lacks}",
            where=_where(settings),
            mend=f"Write it under {rule.mode}",
        )


def _check_templates(rule: ActivationRule, settings: Settings) -> None:
    """Refuse a template that is none, that names what is not sent along, or shows no way out."""
    content = rule.message or rule.task
    if content is None:
        return
    destination = settings.platform.destinations[rule.destination]
    where, links = _where(settings), destination.links
    told = {*rule.attributes, *IDENTIFYING}
    if rule.message:
        for key, template in links.items():
            place = f"{rule.segment} to {rule.destination}: {key}"
            _names_asked(template, place, told | destination.link_words, where)
            # RFC 8058: a mail program leaves by no other.
            if not template.lstrip().startswith(("https://", "{")):
                mend = "Write https://... there"
                raise ConfigError(f"{place} gives no https URL", where=where, mend=mend)
        told |= links.keys()
    for key, template in content.templates.items():
        place = f"{rule.segment} to {rule.destination}: {rule.mode}.{key}"
        names = _names_asked(template, place, told, where)
        must_show = links.keys() if rule.message and key in ("text", "html") else set()
        for name in sorted(must_show - names):
            raise ConfigError(
                f"{place} does not show people how to unsubscribe",
                where=where,
                mend=f"Write {{{{ {name} }}}} where its address belongs",
            )


def _names_asked(template: str, place: str, told: set[str], where: str) -> frozenset[str]:
    """What a template asks for; refuses one that is none, or asks for what is not told."""
    try:
        names = names_in(template)
    except NotTold as error:
        raise ConfigError(f"{place}: {error}", where=where, mend="Correct it") from None
    for name in sorted(names - told):
        raise ConfigError(
            f"{place} asks for {name!r}, which the rule does not send along",
            where=where,
            mend=f"Add {name} to the rule's attributes, or correct the name",
        )
    return names


def payload_columns(rule: ActivationRule) -> list[str]:
    """The attributes of a payload; sorted, so that reordering the settings changes no content."""
    return sorted(set(rule.attributes) - set(IDENTIFYING))


def _segments(warehouse: Warehouse) -> list[str]:
    for table in ("segments.sizes", "segments.memberships", "profiles.customers"):
        _refuse_missing(warehouse, table)
    return warehouse.query("select segment from segments.sizes")["segment"].to_list()


def _refuse_missing(warehouse: Warehouse, table: str) -> None:
    if not warehouse.exists(table):
        raise ConfigError(f"the table {table} is not built", mend="Start: marketing-platform run")


def _unknown(what: str, name: str, known: Collection[str], settings: Settings) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = ", ".join(sorted(known)) or "none"
    mend = f"Did you mean {near[0]}?" if near else f"Known: {listed}"
    return ConfigError(f"unknown {what} {name!r}", where=_where(settings), mend=mend)


def _where(settings: Settings) -> str:
    return f"activations in {_file(settings)}"


def _file(settings: Settings) -> str:
    return str(settings.config_dir / "platform.yaml")

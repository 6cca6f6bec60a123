"""When people buy: the process behind every file of the demo shop, and its true probabilities.

The Pareto/NBD model of Schmittlein, Morrison and Colombo (1987): each person buys at random at a
rate of their own until they drop out, unseen; rates are gamma distributed. Added to it are shopping
spells, so that browsing announces purchases: a person begins to look around, and some days later
buys or loses interest. Spells begin as a Poisson process and end independently, so purchases remain
a Poisson process (a thinned and displaced one), and probabilities can be written down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketing_platform.demo.window import Bools, Floats, Ints, Window

# Share of shopping spells that end in a purchase, and the chance a day that a spell ends.
_CONVERSION = 0.6
_DECISION_RATE = 0.28
# Purchases a day: gamma with this shape and mean. A shape below 1 makes many rare and few very keen
# buyers.
_RATE_SHAPE = 0.7
_RATE_MEAN = 1 / 40
_DROPOUT_SHAPE = 0.7
_DROPOUT_MEAN = 1 / 110
# Someone who has never bought is less likely to.
_LEAD_FACTOR = 0.25
# New buyers a day at `end` per new buyer a day at the start.
_GROWTH = 2.2


@dataclass(frozen=True)
class Buyers:
    """One entry is a person: a customer, who has bought by `end`, or a lead, who has not.

    `first_day` is the day of the first purchase, of a lead the day it became known. From
    `dropout_day` on nothing is bought.
    """

    rate: Floats
    dropout_rate: Floats
    first_day: Ints
    dropout_day: Ints
    is_lead: Bools

    def __len__(self) -> int:
        return len(self.rate)


@dataclass(frozen=True)
class Spells:
    """One entry is a time in which a person looks around, from `start` to `decision` (days)."""

    person: Ints
    start: Ints
    decision: Ints
    is_purchase: Bools


def draw_buyers(rng: np.random.Generator, window: Window, customers: int, leads: int) -> Buyers:
    """Draw people and how they buy; more of them join as time goes on."""
    size = customers + leads
    is_lead = np.arange(size) >= customers
    rate = rng.gamma(_RATE_SHAPE, _RATE_MEAN / _RATE_SHAPE, size)
    dropout_rate = rng.gamma(_DROPOUT_SHAPE, _DROPOUT_MEAN / _DROPOUT_SHAPE, size)
    growth = _GROWTH ** (np.arange(window.days) / window.days)
    joining = growth * (window.yearly() * window.weekly())[: window.days]
    first_day = rng.choice(window.days, size=size, p=joining / joining.sum())
    # A rate near 0 would make a lifetime too long for an integer.
    lifetime = np.minimum(rng.exponential(1, size) / np.maximum(dropout_rate, 1e-9), 1e6)
    return Buyers(
        rate=np.where(is_lead, rate * _LEAD_FACTOR, rate),
        dropout_rate=dropout_rate,
        first_day=first_day,
        dropout_day=first_day + 1 + lifetime.astype(np.int64),
        is_lead=is_lead,
    )


def draw_spells(rng: np.random.Generator, window: Window, buyers: Buyers) -> Spells:
    """Draw every spell from the first purchase to the end of the future."""
    first = np.flatnonzero(~buyers.is_lead)
    first_length = rng.geometric(1 - np.exp(-_DECISION_RATE), len(first)) - 1
    first_decision = buyers.first_day[first]
    person, start = _later_spells(rng, window, buyers)
    decided = _decision_level(window)
    patience = decided[start] + rng.exponential(1, len(start))
    decision = np.searchsorted(decided, patience) - 1
    # Leads are people of whom it is known that they have not bought by `end`. Spells do not depend
    # on each other, so taking the purchase out of the earlier ones does not touch the later ones.
    earliest = np.where(buyers.is_lead, window.days, 0)
    is_purchase = rng.random(len(start)) < _CONVERSION
    is_purchase &= decision < np.minimum(buyers.dropout_day[person], window.total)
    is_purchase &= decision >= earliest[person]
    return Spells(
        person=np.concatenate([first, person]),
        start=np.concatenate([np.maximum(first_decision - first_length, 0), start]),
        decision=np.concatenate([first_decision, decision]),
        is_purchase=np.concatenate([np.ones(len(first), dtype=bool), is_purchase]),
    )


def purchase_probability(
    window: Window, buyers: Buyers, spells: Spells, horizon_days: int
) -> Floats:
    """The chance of a purchase in the days after `end`, given all that is hidden at its close.

    That is: the rates, whether the person has dropped out, and the spells that are open. Followed
    day by day: the first purchase is on day j if none came before and the person is still there.
    """
    open_spells = _open_spells(window, buyers, spells)
    decided = _decision_level(window)
    ahead = np.arange(1, horizon_days + 1)
    level_after = decided[window.last + ahead + 1]
    open_undecided = np.exp(-(level_after - decided[window.days]))
    new_decided = 1 - np.exp(-(level_after[None, :] - decided[window.last + ahead][:, None]))
    begun = window.yearly()[window.last + ahead][:, None] * np.triu(new_decided)
    none_of_open = (1 - _CONVERSION * (1 - open_undecided))[None, :] ** open_spells[:, None]
    none_of_new = np.exp(-buyers.rate[:, None] * begun.sum(axis=0)[None, :])
    none_by = np.column_stack([np.ones(len(buyers)), none_of_open * none_of_new])
    still_there = np.exp(-buyers.dropout_rate[:, None] * ahead[None, :])
    chance = (still_there * -np.diff(none_by, axis=1)).sum(axis=1)
    return np.where(buyers.dropout_day > window.last, chance, 0.0)


def buys_within(window: Window, buyers: Buyers, spells: Spells, horizon_days: int) -> Bools:
    """Who does buy in the days after `end`."""
    ahead = spells.decision - window.last
    buys = spells.is_purchase & (ahead >= 1) & (ahead <= horizon_days)
    return np.bincount(spells.person[buys], minlength=len(buyers)) > 0


def _later_spells(rng: np.random.Generator, window: Window, buyers: Buyers) -> tuple[Ints, Ints]:
    """Person and first day of every spell after the first: Poisson in the time of the season."""
    level = np.concatenate([[0.0], np.cumsum(window.yearly())])
    begin = level[buyers.first_day + 1]
    mass = level[np.minimum(buyers.dropout_day, window.total)] - begin
    count = rng.poisson(buyers.rate / _CONVERSION * mass)
    person = np.repeat(np.arange(len(buyers)), count)
    place = begin[person] + rng.random(len(person)) * mass[person]
    return person, np.searchsorted(level, place, side="right") - 1


def _decision_level(window: Window) -> Floats:
    """Summed hazard of a decision before each day; decisions follow the week."""
    return np.concatenate([[0.0], np.cumsum(_DECISION_RATE * window.weekly())])


def _open_spells(window: Window, buyers: Buyers, spells: Spells) -> Ints:
    is_open = (spells.start <= window.last) & (spells.decision > window.last)
    return np.bincount(spells.person[is_open], minlength=len(buyers))

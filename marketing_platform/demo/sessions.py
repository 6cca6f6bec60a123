"""Visits to the web shop: who, when and what for. What happens in them is in `events`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketing_platform.demo.buying import Buyers, Spells
from marketing_platform.demo.orders import Orders
from marketing_platform.demo.window import (
    DAY_SECONDS,
    HISTORY_DAYS,
    Bools,
    Floats,
    Ints,
    Window,
    time_of_day,
)

# What a visit is for.
LOOKING, SHOPPING, ORDERING = range(3)
# Visits a day: in a shopping spell, besides it (a base and a part that grows with the rate of
# buying), and after dropping out.
_SPELL_VISITS = 0.4
_BASE_VISITS = 0.012
_VISITS_PER_PURCHASE = 0.6
_LATE_VISITS = 0.002
# Over the days of which events are kept.
_STRANGERS_PER_CUSTOMER = 1.9
_SECOND_DEVICE_SHARE = 0.25
_SIGNED_IN_SHARE = 0.65
_LAST_VISIT_SECONDS = 22 * 3600 + 55 * 60


@dataclass(frozen=True)
class Sessions:
    """One entry is a visit. `person` and `order` are -1 where there is none.

    `anchor` is the moment of the first event, or of the last where the visit ends in an order.
    """

    person: Ints
    device: Ints
    purpose: Ints
    anchor: Ints
    order: Ints
    is_signed_in: Bools

    def __len__(self) -> int:
        return len(self.person)


def draw_sessions(
    rng: np.random.Generator,
    window: Window,
    buyers: Buyers,
    spells: Spells,
    orders: Orders,
    order_is_signed_in: Bools,
) -> Sessions:
    """Draw the visits of known people and strangers in the days of which events are kept."""
    shopping, shopping_day = _spell_visits(rng, window, buyers, spells)
    looking, looking_day = _other_visits(rng, window, buyers)
    bought = np.flatnonzero(orders.is_web & (orders.at >= window.history * DAY_SECONDS))
    stranger, stranger_at = _stranger_visits(rng, window, int((~buyers.is_lead).sum()))
    days = np.concatenate([shopping_day, looking_day])
    sizes = [len(shopping), len(looking), len(bought), len(stranger)]
    person = np.concatenate([shopping, looking, orders.person[bought], np.full(sizes[3], -1)])
    is_second = rng.random(len(person)) < _SECOND_DEVICE_SHARE
    device = 2 * person + is_second
    device[person < 0] = 2 * len(buyers) + stranger
    is_signed_in = rng.random(len(person)) < _SIGNED_IN_SHARE
    order = np.repeat([-1, -1, 0, -1], sizes)
    order[order == 0] = bought
    is_signed_in[order >= 0] = order_is_signed_in[bought]
    at = days * DAY_SECONDS + time_of_day(rng, len(days))
    return Sessions(
        person=person,
        device=device,
        purpose=np.repeat([SHOPPING, LOOKING, ORDERING, LOOKING], sizes),
        anchor=np.concatenate([at, orders.at[bought], stranger_at]),
        order=order,
        is_signed_in=is_signed_in,
    )


def _spell_visits(
    rng: np.random.Generator, window: Window, buyers: Buyers, spells: Spells
) -> tuple[Ints, Ints]:
    """Person and day of the visits in shopping spells."""
    stop = np.minimum(spells.decision + 1, buyers.dropout_day[spells.person])
    rate = np.full(len(spells.person), _SPELL_VISITS)
    spell, day = _scatter(rng, window, spells.start, stop, rate)
    return spells.person[spell], day


def _other_visits(rng: np.random.Generator, window: Window, buyers: Buyers) -> tuple[Ints, Ints]:
    """Person and day of the visits out of habit, and of the few after dropping out."""
    habit = _BASE_VISITS + _VISITS_PER_PURCHASE * buyers.rate
    person, day = _scatter(rng, window, buyers.first_day, buyers.dropout_day, habit)
    never = np.full(len(buyers), window.days)
    late = np.full(len(buyers), _LATE_VISITS)
    late_person, late_day = _scatter(rng, window, buyers.dropout_day, never, late)
    return np.concatenate([person, late_person]), np.concatenate([day, late_day])


def _scatter(
    rng: np.random.Generator, window: Window, begin: Ints, stop: Ints, per_day: Floats
) -> tuple[Ints, Ints]:
    """Scatter visits over spans of days; gives the number of the span and the day of each."""
    begin = np.maximum(begin, window.history)
    length = np.maximum(np.minimum(stop, window.days) - begin, 0)
    span = np.repeat(np.arange(len(begin)), rng.poisson(per_day * length))
    day = begin[span] + (rng.random(len(span)) * length[span]).astype(np.int64)
    return span, day


def _stranger_visits(rng: np.random.Generator, window: Window, customers: int) -> tuple[Ints, Ints]:
    """Number and moments of visitors who stay unknown; some return within days."""
    busy = (window.yearly() * window.weekly())[window.history : window.days]
    expected = _STRANGERS_PER_CUSTOMER * customers * len(busy) / HISTORY_DAYS
    strangers = max(1, round(expected))
    first = window.history + rng.choice(len(busy), size=strangers, p=busy / busy.sum())
    visitor = np.repeat(np.arange(strangers), 1 + rng.poisson(0.35, strangers))
    is_return = np.concatenate([[False], visitor[1:] == visitor[:-1]])
    day = first[visitor] + np.where(is_return, rng.integers(1, 12, len(visitor)), 0)
    at = day * DAY_SECONDS + time_of_day(rng, len(day))
    # The export ends when the day does, also in a small shop: somebody is there late.
    at[0] = window.last * DAY_SECONDS + _LAST_VISIT_SECONDS
    is_kept = at < window.stop
    return visitor[is_kept], at[is_kept]

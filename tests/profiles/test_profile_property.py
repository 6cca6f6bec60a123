"""Each field of a profile beside a plain reading of its definition, on small random shops."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from profile_shop import Shop, profile

DAY = dt.timedelta(days=1)
PEOPLE = 16
CATEGORIES = {"tea": ("drinks", 4), "oolong": ("drinks", 9), "cup": ("china", 9), "odd": (None, 5)}


@dataclass
class Order:
    """An order: its lines by product, what was taken off, and what was given back when."""

    number: str
    at: dt.datetime
    lines: dict[str, int]
    discount: int
    is_placed: bool
    refunds: list[tuple[dt.datetime, int]]

    @property
    def spent(self) -> int:
        return sum(self.lines.values()) - self.discount


@dataclass
class Person:
    """All that happened with one customer."""

    born: dt.date
    orders: list[Order] = field(default_factory=list)
    # When it was opened and closed; when it was written, and its stars.
    tickets: list[tuple[dt.datetime, dt.datetime | None]] = field(default_factory=list)
    reviews: list[tuple[dt.datetime, int | None]] = field(default_factory=list)
    # When, what, and of which mail.
    mails: list[tuple[dt.datetime, str, str]] = field(default_factory=list)


@dataclass
class World:
    """A shop in a time zone at the end of a day, and those who know it."""

    random: Random
    today: dt.date
    zone: ZoneInfo
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def now(self) -> dt.datetime:
        return self.in_utc(self.today, dt.time.max)

    def in_utc(self, day: dt.date, time: dt.time) -> dt.datetime:
        moment = dt.datetime.combine(day, time, tzinfo=self.zone)
        return moment.astimezone(dt.UTC).replace(tzinfo=None)

    def age(self, moment: dt.datetime) -> int:
        """How many days ago a moment was, where the shop is."""
        day = moment.replace(tzinfo=dt.UTC).astimezone(self.zone).date()
        return (self.today - day).days

    def moment(self, days: int) -> dt.datetime:
        """A moment of so many days before the clock or of a few after it, often at an edge."""
        if self.random.random() < 0.3:
            ago = self.random.choice([0, 1, 7, 29, 30, 89, 90, 179, 180, 364, 365])
            time = self.random.choice([dt.time(0), dt.time(12), dt.time(23, 59, 59)])
            return self.in_utc(self.today - ago * DAY, time)
        past = self.now - dt.timedelta(seconds=self.random.randint(-5 * 86400, days * 86400))
        return past.replace(microsecond=0)

    def fill(self) -> None:
        """Let things happen."""
        draw = self.random
        for number in range(PEOPLE):
            person = Person(draw.choice([dt.date(1988, 2, 29), dt.date(1990, 1, 1), self.today]))
            self.people[f"c{number}"] = person
            for place in range(draw.choice([0, 1, 3, 6])):
                lines = {product: draw.randint(1, 40) for product in draw.sample([*CATEGORIES], 2)}
                at = self.moment(draw.choice([60, 500]))
                order = Order(
                    f"c{number}-{place}", at, lines, draw.choice([0, 0, 2]), draw.random() < 0.9, []
                )
                for _ in range(draw.choice([0, 0, 1])):
                    back = at + dt.timedelta(hours=draw.randint(0, 900))
                    order.refunds.append((back, draw.randint(1, order.spent) if order.spent else 0))
                person.orders.append(order)
            for _ in range(draw.choice([0, 3])):
                opened = self.moment(120)
                person.tickets.append((opened, draw.choice([None, opened + 3 * DAY])))
                person.reviews.append((self.moment(500), draw.choice([None, 2, 5])))
            for mail in range(draw.choice([0, 4, 14])):
                sent = self.moment(120)
                for word in ("sent", "opened", "opened", "clicked"):
                    if word == "sent" or draw.random() < 0.4:
                        later = sent + dt.timedelta(minutes=draw.randint(0, 3000))
                        person.mails.append((sent if word == "sent" else later, word, str(mail)))


def write(world: World, shop: Shop) -> None:
    """Tell the shop's systems of it."""
    for product, (category, price) in CATEGORIES.items():
        shop.add("products", source_product_id=product, title=product, category=category,
                 price_amount=price, currency="EUR")  # fmt: skip
    for who, person in world.people.items():
        shop.add("contacts", source_contact_id=who, email=f"{who}@{who}.example",
                 birth_date=person.born, created_at="2020-01-01")  # fmt: skip
        for order in person.orders:
            shop.add(
                "orders", source_order_id=order.number, source_contact_id=who, ordered_at=order.at,
                order_status="placed" if order.is_placed else "cancelled", currency="EUR",
                gross_amount=order.spent + order.discount, discount_amount=order.discount,
                total_amount=order.spent, updated_at=order.at,
            )  # fmt: skip
            for product, amount in order.lines.items():
                shop.add(
                    "order_items", source_order_item_id=order.number + product, quantity=1,
                    source_order_id=order.number, source_product_id=product, currency="EUR",
                    unit_price_amount=amount, line_amount=amount,
                )  # fmt: skip
            for back, amount in order.refunds:
                shop.add(
                    "refunds", source_refund_id=order.number, source_order_id=order.number,
                    refunded_at=back, quantity=1, refund_amount=amount, currency="EUR",
                )  # fmt: skip
        for place, (opened, closed) in enumerate(person.tickets):
            shop.add("tickets", source_ticket_id=f"{who}{place}", source_contact_id=who,
                     created_at=opened, closed_at=closed, updated_at=opened)  # fmt: skip
        for place, (written, stars) in enumerate(person.reviews):
            shop.add("reviews", source_review_id=f"{who}{place}", source_contact_id=who,
                     reviewed_at=written, rating=stars, source_product_id="tea")  # fmt: skip
        for place, (happened, word, mail) in enumerate(person.mails):
            shop.add(
                "engagements", source_engagement_id=f"{who}{place}", channel="email",
                engagement=word, occurred_at=happened, source_contact_id=who,
                source_message_id=who + mail,
            )  # fmt: skip


def as_buyer(world: World, person: Person) -> Iterator[tuple[str, Any]]:
    """What purchases say."""
    bought = [o for o in person.orders if o.is_placed and o.spent > 0 and o.at <= world.now]
    bought.sort(key=lambda order: (order.at, order.number))
    yield "is_buyer", bool(bought)
    yield "order_count", len(bought)
    if not bought:
        return
    back = {o.number: sum(a for when, a in o.refunds if when <= world.now) for o in bought}
    net = {order.number: order.spent - back[order.number] for order in bought}
    ages = {order.number: world.age(order.at) for order in bought}
    spent = sum(order.spent for order in bought)
    days = sorted(set(ages.values()), reverse=True)
    gaps = [before - after for before, after in pairwise(days)]
    yield "first_ordered_at", bought[0].at
    yield "last_ordered_at", bought[-1].at
    yield "recency_days", min(ages.values())
    yield "tenure_days", max(ages.values())
    yield "lifetime_value_amount", sum(net.values())
    mean = Decimal(spent) / len(bought)
    yield "average_order_value_amount", pytest.approx(mean, abs=Decimal("0.006"))
    yield "refund_share", pytest.approx(sum(back.values()) / spent)
    yield "days_between_orders", pytest.approx(sum(gaps) / len(gaps)) if gaps else None
    spread = pytest.approx(statistics.stdev(gaps)) if len(gaps) > 1 else None
    yield "days_between_orders_spread", spread
    for length in (90, 365):
        late = [number for number, age in ages.items() if age < length]
        yield f"net_{length}d_amount", sum(net[number] for number in late)
        yield f"order_{length}d_count", len(late)
    yield (
        "discounted_order_share",
        pytest.approx(sum(order.discount > 0 for order in bought) / len(bought)),
    )
    yield "first_order_amount", net[bought[0].number]
    yield "last_order_amount", net[bought[-1].number]
    yield from as_taste(world, bought)


def as_taste(world: World, bought: list[Order]) -> Iterator[tuple[str, Any]]:
    """What the products say: later ones count more, and so does what cost more."""
    weights: dict[str | None, float] = {}
    places = []
    for order in bought:
        for product, amount in order.lines.items():
            category, price = CATEGORIES[product]
            worth = amount * 0.5 ** (world.age(order.at) / 180)
            weights[category] = weights.get(category, 0) + worth
            prices = sorted({p for kind, p in CATEGORIES.values() if kind == category})
            if len(prices) > 1:
                places.append(prices.index(price) / (len(prices) - 1))
    total = sum(weights.values())
    weights.pop(None, None)
    top = max(weights, key=weights.__getitem__, default=None)
    yield "top_category", top
    yield "top_category_share", pytest.approx(weights[top] / total) if top else None
    yield "price_tier", pytest.approx(sum(places) / len(places)) if places else None


def as_told(world: World, person: Person) -> Iterator[tuple[str, Any]]:
    """What tickets, reviews, mails and the calendar say."""
    tickets = [(opened, closed) for opened, closed in person.tickets if opened <= world.now]
    is_open = [closed is None or closed > world.now for _, closed in tickets]
    yield "open_ticket_count", sum(is_open)
    since = world.now - 90 * DAY
    yield "ticket_90d_count", sum(opened > since for opened, _ in tickets)
    reviews = sorted((when, stars or 0) for when, stars in person.reviews if when <= world.now)
    stars = [given for _, given in reviews if given]
    yield "review_count", len(reviews)
    yield "average_rating", pytest.approx(sum(stars) / len(stars)) if stars else None
    good = [when for when, given in reviews if given >= 4 and world.age(when) < 365]
    yield "recommended_365d_count", len(good)
    known = [(when, word, mail) for when, word, mail in person.mails if when <= world.now]
    for name, word in (("opened", "opened"), ("clicked", "clicked")):
        for length in (30, 90):
            of_late = [when for when, w, _ in known if w == word and world.age(when) < length]
            yield f"email_{name}_{length}d_count", len(of_late)
    sent = {mail: when for when, word, mail in known if word == "sent"}
    last = sorted(sent, key=lambda mail: (sent[mail], mail), reverse=True)[:10]
    opened = {mail for _, word, mail in known if word in ("opened", "clicked")}
    yield "email_open_share", pytest.approx(len(opened & {*last}) / len(last)) if last else None
    yield "message_7d_count", sum(world.age(when) < 7 for when in sent.values())
    yield (
        "birthday_in_days",
        next(days for days in range(367) if is_birthday(person.born, world.today + days * DAY)),
    )


def is_birthday(born: dt.date, day: dt.date) -> bool:
    """Of who was born on the 29th of February the 1st of March is, in years without one."""
    try:
        return born.replace(year=day.year) == day
    except ValueError:
        return (day.month, day.day) == (3, 1)


@pytest.mark.parametrize(
    ("seed", "today", "timezone"),
    [
        (1, dt.date(2026, 3, 29), "Europe/Berlin"),
        (2, dt.date(2028, 2, 29), "Australia/Sydney"),
        (3, dt.date(2026, 11, 1), "America/Los_Angeles"),
    ],
)
def test_each_field_is_what_a_plain_reading_of_its_definition_says(
    shop: Shop, seed: int, today: dt.date, timezone: str
) -> None:
    world = World(Random(seed), today, ZoneInfo(timezone))  # noqa: S311 - no secret
    world.fill()
    shop.timezone = timezone
    write(world, shop)
    warehouse = shop.build(today)
    for who, person in world.people.items():
        expected = {**dict(as_buyer(world, person)), **dict(as_told(world, person))}
        row = profile(warehouse, who)
        assert {name: row[name] for name in expected} == expected, who

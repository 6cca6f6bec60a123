"""Who is not written to by night, wherever they live."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from small_shop import SEGMENT, SmallShop, Standing, small_settings, webhook

from marketing_platform.activation import (
    activate,
    conservation,
    dispatch,
    ledger_sums,
    plan_all,
    reason_counts,
)
from marketing_platform.activation.balance import due_count
from marketing_platform.activation.quiet import next_open
from marketing_platform.core.countries import zones_of
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import Answer, Batch
from marketing_platform.destinations.vendors.twilio import TwilioDestination
from marketing_platform.quality.health import health_page
from marketing_platform.settings import ActivationRule, QuietHours, Settings
from marketing_platform.state import messages, utc_now

NIGHT = QuietHours(start=21, end=8)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("country", "now", "opens"),
    [
        ("DE", "2026-01-15 12:00", "2026-01-15 12:00"),
        ("DE", "2026-01-15 20:00", "2026-01-16 07:00"),
        ("DE", "2026-07-15 19:30", "2026-07-16 06:00"),
        # Nine in the evening in New York, and not yet eight in Honolulu.
        ("US", "2026-01-15 17:59", "2026-01-15 18:00"),
        ("US", "2026-01-16 02:00", "2026-01-16 18:00"),
        # A zone of half an hour.
        ("IN", "2026-01-15 01:40", "2026-01-15 02:30"),
        # The clocks go forward in this night.
        ("DE", "2026-03-29 00:30", "2026-03-29 06:00"),
    ],
)
def test_nobody_is_written_to_before_it_is_day_everywhere_in_their_country(
    country: str, now: str, opens: str
) -> None:
    assert next_open(NIGHT, zones_of(country), at(now)) == at(opens)


@given(
    st.sampled_from(["DE", "US", "IN", "AU", "BR", "NP", "GB", "CA"]),
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC)),
    st.integers(0, 23),
    st.integers(1, 12),
)
def test_the_hour_that_opens_is_quiet_nowhere_and_none_before_it_was(
    country: str, now: dt.datetime, start: int, length: int
) -> None:
    hours = QuietHours(start=start, end=(start + length) % 24)
    opens = next_open(hours, zones_of(country), now)
    if opens is None:
        return

    def is_quiet(moment: dt.datetime) -> bool:
        return any(hours.has(moment.astimezone(ZoneInfo(z)).hour) for z in zones_of(country))

    assert not is_quiet(opens)
    assert opens == now or is_quiet(opens - dt.timedelta(minutes=1))
    assert opens == now or is_quiet(now)


def texts(folder: Path, receiver: Receiver, hours: QuietHours | None) -> Settings:
    told = ActivationRule(
        segment=SEGMENT, destination="crm", event="entered", attributes=("email",)
    )
    crm = webhook(receiver.url, consent="email", quiet_hours=hours)
    return small_settings(folder, {"crm": crm}, rules=[told])


def around_now(zone_hours: int = 0) -> QuietHours:
    """Quiet hours in which this moment lies, by a clock so many hours before UTC's."""
    hour = (utc_now().hour + zone_hours) % 24
    return QuietHours(start=(hour - 1) % 24, end=(hour + 2) % 24)


def received(receiver: Receiver) -> list[str]:
    return sorted(row["customer_id"] for row in receiver.received.rows.values())


def test_who_sleeps_has_a_row_that_waits_and_is_told_in_the_morning(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    for customer, country in (("here", "IS"), ("there", "JP"), ("unknown", None)):
        shop.know(customer, country=country)
        shop.enter(customer, "2025-05-01 00:00:00")
    # Iceland keeps UTC all year, Japan is nine hours ahead; the shop is on UTC.
    settings = texts(tmp_path, receiver, around_now())
    [plan] = plan_all(shop.warehouse, engine, settings, dry_run=True)
    assert plan.sleeping_count == 2
    activate(shop.warehouse, engine, settings)
    assert received(receiver) == ["there"]
    assert ledger_sums(engine) == {
        "eligible": 3, "sent": 1, "suppressed": 0, "deferred": 2, "failed": 0,
    }  # fmt: skip
    assert [(r.state, r.reason, r.count) for r in reason_counts(engine)] == [
        ("planned", "quiet_hours", 2)
    ]
    page = health_page(engine, settings, now=utc_now())
    assert "| crm | waits | quiet_hours | 2 |" in page
    assert due_count(engine, utc_now(), ["crm"]) == 0
    assert due_count(engine, utc_now() + dt.timedelta(hours=3), ["crm"]) == 2
    activate(shop.warehouse, engine, settings)
    assert received(receiver) == ["there"], "another run of the night wakes nobody"
    with engine.begin() as connection:
        connection.execute(
            sa.update(messages)
            .where(messages.c.next_attempt_at.is_not(None))
            .values(next_attempt_at=utc_now())
        )
    activate(shop.warehouse, engine, texts(tmp_path, receiver, around_now(6)))
    assert received(receiver) == ["here", "there", "unknown"]
    assert all(balance.adds_up for balance in conservation(engine))
    assert [(r.state, r.reason) for r in reason_counts(engine)] == []
    assert "| why |" not in health_page(engine, settings, now=utc_now())


def test_of_whom_no_country_is_known_the_country_of_the_phone_counts(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    phones = {"here": "+3546101234", "there": "+819012345678", "odd": "+99912", "none": None}
    for customer, phone in phones.items():
        shop.know(customer, phone=phone)
        shop.enter(customer, "2025-05-01 00:00:00")
    # By night in Japan; by day in Iceland and where the shop is.
    activate(shop.warehouse, engine, texts(tmp_path, receiver, around_now(9)))
    assert received(receiver) == ["here", "none", "odd"]


def test_what_was_planned_by_day_and_not_sent_wakes_nobody_either(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.know("here", country="IS")
    shop.enter("here", "2025-05-01 00:00:00")
    plan_all(shop.warehouse, engine, texts(tmp_path, receiver, None))
    activate(shop.warehouse, engine, texts(tmp_path, receiver, around_now()))
    assert received(receiver) == []
    assert ledger_sums(engine)["deferred"] == 1


def test_a_dispatch_that_takes_long_ends_when_the_quiet_hours_begin(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    for customer, country in (("here", "IS"), ("there", "JP")):
        shop.know(customer, country=country)
        shop.enter(customer, "2025-05-01 00:00:00")
    hour = utc_now().hour
    # Quiet in twelve hours in Iceland, in three in Japan, which is nine hours ahead.
    settings = texts(tmp_path, receiver, QuietHours(start=(hour + 12) % 24, end=hour))
    plan_all(shop.warehouse, engine, settings)
    in_five_hours = utc_now() + dt.timedelta(hours=5)
    dispatch(engine, settings, now=lambda: in_five_hours)
    assert received(receiver) == ["here"]


def test_a_destination_with_a_queue_hears_until_when_a_person_may_be_written_to(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.know("there", country="JP")
    shop.enter("there", "2025-05-01 00:00:00")
    hour = utc_now().hour
    settings = texts(tmp_path, receiver, QuietHours(start=(hour + 12) % 24, end=hour))
    plan_all(shop.warehouse, engine, settings)
    ends: list[dt.datetime | None] = []

    def take(batch: Batch) -> Answer:
        ends.extend(row.not_after for row in batch.rows)
        return Answer("accepted")

    dispatch(engine, settings, make=lambda name, settings: Standing("crm", "message", take))
    [end] = ends
    in_three_hours = utc_now().replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=3)
    assert end == in_three_hours


def test_who_waits_is_told_when_the_quiet_hours_are_taken_away(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.know("here", country="IS")
    shop.enter("here", "2025-05-01 00:00:00")
    plan_all(shop.warehouse, engine, texts(tmp_path, receiver, around_now()))
    settings = texts(tmp_path, receiver, None)
    plan_all(shop.warehouse, engine, settings)
    # Their hours had ended by then.
    in_two_days = utc_now() + dt.timedelta(days=2)
    dispatch(engine, settings, now=lambda: in_two_days)
    assert received(receiver) == ["here"]


def test_an_audience_is_kept_by_night_too(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.know("here", country="IS")
    shop.members(["here"])
    crm = webhook(receiver.url, quiet_hours=around_now())
    activate(shop.warehouse, engine, small_settings(tmp_path, {"crm": crm}))
    assert received(receiver) == ["here"], "nobody is written to by it"


def test_text_messages_have_quiet_hours_unless_they_are_taken_away() -> None:
    given = {
        "type": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": "t",
        "from_number": "+15550001111",
    }  # fmt: skip
    assert TwilioDestination.model_validate(given).quiet_hours == NIGHT
    none = TwilioDestination.model_validate({**given, "quiet_hours": None})
    assert none.quiet_hours is None
    told = TwilioDestination.model_validate({**given, "quiet_hours": {"start": 20, "end": 9}})
    assert told.quiet_hours == QuietHours(start=20, end=9)

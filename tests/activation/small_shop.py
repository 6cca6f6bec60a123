"""A shop of a few made-up customers, and settings that send them somewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from pydantic import SecretStr

from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import Answer, Batch
from marketing_platform.destinations.base import RowAnswer
from marketing_platform.destinations.vendors.twilio import TwilioDestination
from marketing_platform.destinations.vendors.webhook import WebhookDestination
from marketing_platform.identity.edges import log_changes
from marketing_platform.identity.inherited import inherit_suppressions
from marketing_platform.settings import (
    ActivationRule,
    DestinationSettings,
    Limits,
    Mode,
    Platform,
    Settings,
)
from marketing_platform.state import messages, utc_now
from marketing_platform.warehouse import Warehouse

SEGMENT = "winback"
MAY, JUNE, JULY = "2025-05-01 00:00:00", "2025-06-01 00:00:00", "2025-07-01 00:00:00"
Kind = Literal["merged", "split"]


class SmallShop:
    """A warehouse in which a test says who is in the segment and what is known of them."""

    def __init__(self, path: Path | str = ":memory:", segment: str = SEGMENT) -> None:
        self.segment = segment
        self.warehouse = Warehouse(path)
        for table in ("profiles.customers", "segments.memberships", "segments.sizes", "core.clock"):
            self.warehouse.ensure(table)
        with self.warehouse.connect() as connection:
            connection.execute(
                "insert into segments.sizes by name select unnest([$segment, 'other']) as segment,"
                " '' as description, 0 as member_count, 0.0 as customer_share, 'ready' as status",
                {"segment": segment},
            )
        self.clock("2025-06-01 00:00:00")

    def fill(self, count: int) -> None:
        """Customers c00000, c00001, ... all members, all reachable, all agreed."""
        with self.warehouse.connect() as connection:
            connection.execute(
                "insert into profiles.customers by name select 'c' || lpad(i::varchar, 5, '0') as"
                " customer_id, 'c' || i || '@example.com' as email, '+4915' || i as phone,"
                " 'Ada' as first_name, true as has_email_consent, true as has_sms_consent,"
                " 0 as order_count, 0.5 as lifetime_value_amount from range($count) t(i)",
                {"count": count},
            )
            connection.execute(
                "insert into segments.memberships by name select $segment as segment, customer_id"
                " from profiles.customers",
                {"segment": self.segment},
            )

    def members(self, customers: Iterable[str], segment: str | None = None) -> None:
        """Make these customers, and no others, the members of the segment."""
        name = segment or self.segment
        with self.warehouse.connect() as connection:
            connection.execute(
                "delete from segments.memberships where segment = $segment", {"segment": name}
            )
            connection.execute(
                "insert into segments.memberships by name select $segment as segment,"
                " unnest($ids::varchar[]) as customer_id",
                {"segment": name, "ids": list(customers)},
            )

    def enter(self, customer_id: str, moment: str) -> None:
        """Let a customer be in the segment since a moment."""
        self.know(customer_id)
        with self.warehouse.connect() as connection:
            connection.execute(
                "delete from segments.memberships where segment = $segment and customer_id = $id",
                {"segment": self.segment, "id": customer_id},
            )
            connection.execute(
                "insert into segments.memberships by name select $segment as segment,"
                " $id as customer_id, $moment::timestamp as entered_at",
                {"segment": self.segment, "id": customer_id, "moment": moment},
            )

    def know(self, customer_id: str, **values: Any) -> None:
        """Set what is known of a customer; a new one is reachable and has agreed."""
        with self.warehouse.connect() as connection:
            found = connection.execute(
                "select 1 from profiles.customers where customer_id = $id", {"id": customer_id}
            ).fetchone()
            if not found:
                connection.execute(
                    "insert into profiles.customers by name select $id as customer_id,"
                    " $id || '@example.com' as email, true as has_email_consent",
                    {"id": customer_id},
                )
            for name, value in values.items():
                connection.execute(
                    f"update profiles.customers set {name} = $value where customer_id = $id",
                    {"value": value, "id": customer_id},
                )

    def forget(self, customer_id: str) -> None:
        with self.warehouse.connect() as connection:
            connection.execute(
                "delete from profiles.customers where customer_id = $id", {"id": customer_id}
            )

    def hold(self, reason: str | None) -> None:
        """Hold the segment, or with None let it go."""
        with self.warehouse.connect() as connection:
            connection.execute(
                "update segments.sizes set status = $status, held_reason = $reason",
                {"status": "held" if reason else "ready", "reason": reason},
            )

    def clock(self, moment: str) -> None:
        with self.warehouse.connect() as connection:
            connection.execute("delete from core.clock")
            connection.execute(
                "insert into core.clock select $moment::timestamp, $moment::date",
                {"moment": moment},
            )


def small_settings(
    folder: Path,
    destinations: Mapping[str, DestinationSettings],
    *,
    rules: Iterable[ActivationRule] | None = None,
    **limits: Any,
) -> Settings:
    """Settings that send the segment to every one of `destinations`."""
    chosen = (
        tuple(rules)
        if rules is not None
        else tuple(
            ActivationRule(segment=SEGMENT, destination=name, attributes=("email", "first_name"))
            for name in destinations
        )
    )
    platform = Platform(
        destinations=dict(destinations), activations=chosen, limits=Limits(**limits)
    )
    return Settings(
        config_dir=folder,
        data_dir=folder / "data",
        state_url=SecretStr("sqlite://"),
        platform=platform,
    )


def webhook(url: str, **values: Any) -> WebhookDestination:
    """A webhook that loses no time between its calls."""
    quick = {"retry_seconds": 0.01, "timeout_seconds": 2.0, "batch_size": 10, **values}
    return WebhookDestination(type="webhook", url=url, **quick)


def events(folder: Path, receiver: Receiver, *, consent: Any = "email", **rule: Any) -> Settings:
    """Settings that tell the receiver once of each who enters the segment."""
    told = {"segment": SEGMENT, "destination": "crm", "event": "entered", **rule}
    chosen = ActivationRule.model_validate({"attributes": ("email", "first_name"), **told})
    return small_settings(folder, {"crm": webhook(receiver.url, consent=consent)}, rules=[chosen])


def told(receiver: Receiver) -> list[str]:
    """Of whom the receiver was told."""
    return sorted(row["customer_id"] for row in receiver.received.rows.values())


def becomes(engine: sa.Engine, customer: str, other: str, kind: Kind = "merged") -> None:
    """What a build does when all of a customer, or a part, becomes another one."""
    become(engine, (customer, other, kind))


def become(engine: sa.Engine, *changes: tuple[str, str, Kind]) -> None:
    """What one build does when several do."""
    told = [
        {
            "kind": kind,
            "customer_id": customer,
            "other_customer_id": other,
            "contact_count": 1,
            "contact_id": f"files:{customer}",
        }
        for customer, other, kind in changes
    ]
    inherit_suppressions(engine, pl.DataFrame(told))
    log_changes(engine, [{**change, "cause": "a test"} for change in told])


def ended_a_day_ago(engine: sa.Engine, days: int = 1) -> None:
    """Let all that was sent be sent some days ago."""
    with engine.begin() as connection:
        moment = utc_now() - dt.timedelta(days=days, minutes=1)
        connection.execute(
            sa.update(messages).values(settled_at=moment).where(messages.c.settled_at.is_not(None))
        )


class Standing:
    """A destination that stands in for a vendor: a test says what becomes of a batch."""

    audience = None
    # The audiences that may be told again, where not all may.
    repeated: frozenset[str] = frozenset()
    is_idempotent, is_full_feed = False, False
    batch_size, concurrency = 10, 1
    calls_per_run, retry_seconds, max_wait_seconds, max_attempts = 1, 0.0, 0.0, 3

    def __init__(self, name: str, mode: Mode, answer: Callable[[Batch], Answer]) -> None:
        self.name = name
        self.modes = (mode,)
        self._answer = answer

    async def send(self, batch: Batch) -> Answer:
        return self._answer(batch)

    def preview(self, batch: Batch) -> str:
        return ""

    def missing(self) -> tuple[str, ...]:
        return ()

    async def close(self) -> None:
        pass


def answering(answer: RowAnswer, name: str = "sms") -> Standing:
    """A vendor that answers so for every row."""
    return Standing(
        name,
        "message",
        lambda batch: Answer("accepted", rows={row.key: answer for row in batch.rows}),
    )


def texts(folder: Path) -> Settings:
    """Settings that write a text to whoever enters the segment."""
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "sms", "message": {"text": "Hi"}}
    )
    sms = TwilioDestination(
        type="twilio",
        account_sid="AC" + "0" * 32,
        auth_token="hush",  # type: ignore[arg-type]
        from_number="+15005550006",
        # These tests run by night too.
        quiet_hours=None,
    )
    return small_settings(folder, {"sms": sms}, rules=[rule])

"""What comes back is of the row that caused it, and a row of which nothing comes back is found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from small_shop import SEGMENT, SmallShop, becomes, small_settings, webhook

from marketing_platform.activation import activate, frames
from marketing_platform.demo.receiver import Receiver
from marketing_platform.pipeline import build_table
from marketing_platform.quality.checks import reports_agree
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import messages, open_state, utc_now

TABLES = ("activation.deliveries", "activation.outcomes", "activation.reconciliation")


class Shop(SmallShop):
    """A shop that has sent an event to two people, and hears of it."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        super().__init__()
        for table in ("core.engagements", "identity.contact_customers"):
            self.warehouse.ensure(table)
        rule = ActivationRule(
            segment=SEGMENT, destination="crm", attributes=("email",), event="entered"
        )
        url = f"sqlite:///{folder / 'state.db'}"
        crm = webhook(receiver.url, consent="email")
        self.settings: Settings = small_settings(folder, {"crm": crm}, rules=[rule]).model_copy(
            update={"state_url": SecretStr(url)}
        )
        self.state = open_state(url)
        for name in ("ada", "bob"):
            self.enter(name, "2025-06-01 00:00:00")
            with self.warehouse.connect() as connection:
                connection.execute(
                    "insert into identity.contact_customers by name"
                    " select $name as contact_id, $name as customer_id",
                    {"name": name},
                )
        activate(self.warehouse, self.state, self.settings)
        self.sent_days_ago(3)

    def sent_days_ago(self, days: int) -> None:
        """Let all messages be sent so many days ago, with one id of the vendor for both."""
        with self.state.begin() as connection:
            moment = utc_now() - dt.timedelta(days=days)
            connection.execute(sa.update(messages).values(settled_at=moment, vendor_id="m1"))

    def hear(self, customer: str, engagement: str, message_id: str) -> None:
        """Let a source tell of a message."""
        with self.warehouse.connect() as connection:
            connection.execute(
                "insert into core.engagements by name select $id as engagement_id, 'x' as source,"
                " $customer as contact_id, 'email' as channel, $engagement as engagement,"
                " now()::timestamp as occurred_at, now()::date as engagement_date,"
                " $message as source_message_id",
                {
                    "id": f"{customer}{engagement}{message_id}",
                    "customer": customer,
                    "engagement": engagement,
                    "message": message_id,
                },
            )

    def contact_of(self, contact: str, customer: str) -> None:
        """Let a contact be of another customer."""
        with self.warehouse.connect() as connection:
            connection.execute(
                "update identity.contact_customers set customer_id = $customer"
                " where contact_id = $contact",
                {"contact": contact, "customer": customer},
            )

    def build(self) -> dict[str, dict[str, object]]:
        """Build the tables as of now; the outcomes by customer."""
        now = utc_now().replace(tzinfo=None)
        self.clock(now.isoformat(" "))
        for name in TABLES:
            build_table(self.warehouse, self.settings, name)
        rows = self.warehouse.read("activation.outcomes").to_dicts()
        return {str(row["customer_id"]): row for row in rows}


@pytest.fixture
def told(tmp_path: Path, receiver: Receiver) -> Shop:
    return Shop(tmp_path, receiver)


def test_engagement_is_of_the_row_whose_message_and_person_it_names(told: Shop) -> None:
    # SendGrid tells the id of the call, which both share, with more behind it.
    told.hear("ada", "delivered", "m1.filter0001.16648.5515E0B88.0")
    told.hear("ada", "opened", "m1.filter0001.16648.5515E0B88.0")
    told.hear("bob", "opened", "another")
    found = told.build()
    assert found["ada"]["delivered_at"]
    assert found["ada"]["opened_at"]
    assert found["ada"]["clicked_at"] is None
    assert found["bob"]["first_told_at"] is None, "it is of a message of somebody else"


def test_messages_are_all_delivered_however_few_are_read_at_once(
    told: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_PART", 1)
    build_table(told.warehouse, told.settings, "activation.deliveries")
    assert set(told.warehouse.read("activation.deliveries")["customer_id"]) == {"ada", "bob"}


def test_engagement_that_names_the_ledgers_key_is_of_that_row(told: Shop) -> None:
    with told.state.connect() as connection:
        key = connection.execute(
            sa.select(messages.c.message_key).where(messages.c.customer_id == "bob")
        ).scalar_one()
    told.hear("bob", "clicked", key)
    assert told.build()["bob"]["clicked_at"]


def test_an_id_of_a_mail_is_known_with_its_brackets_and_without(told: Shop) -> None:
    with told.state.begin() as connection:
        for customer in ("ada", "bob"):
            connection.execute(
                sa.update(messages)
                .where(messages.c.customer_id == customer)
                .values(vendor_id=f"<{customer}@shop.example>")
            )
    told.hear("ada", "delivered", "<ada@shop.example>")
    told.hear("bob", "bounced", "bob@shop.example")
    found = told.build()
    assert found["ada"]["delivered_at"]
    assert found["bob"]["bounced_at"]


def test_what_is_heard_after_two_became_one_is_of_the_message_before(told: Shop) -> None:
    told.hear("ada", "delivered", "m1")
    told.hear("bob", "delivered", "m1")
    becomes(told.state, "ada", "eve")
    told.contact_of("ada", "eve")
    found = told.build()
    assert found["eve"]["delivered_at"]
    assert reports_agree(told.warehouse).passed


def test_what_is_heard_of_a_message_with_an_id_of_its_own_is_of_it_whoever_has_the_address_now(
    told: Shop,
) -> None:
    with told.state.begin() as connection:
        connection.execute(
            sa.update(messages).where(messages.c.customer_id == "ada").values(vendor_id="m2")
        )
    told.contact_of("ada", "eve")
    told.hear("ada", "delivered", "m2")
    assert told.build()["ada"]["delivered_at"]


def test_a_destination_that_does_not_tell_of_all_is_found_with_the_rows(told: Shop) -> None:
    told.hear("ada", "delivered", "m1")
    missing = told.build()["bob"]["message_key"]
    result = reports_agree(told.warehouse)
    assert not result.passed
    assert result.detail.startswith("crm has not told of 1 of 2 messages of ")
    assert result.detail.endswith(f": {missing}")
    told.hear("bob", "bounced", "m1")
    told.build()
    assert reports_agree(told.warehouse).passed


def test_a_destination_of_which_nothing_is_heard_and_the_last_day_are_not_judged(
    told: Shop,
) -> None:
    told.build()
    assert reports_agree(told.warehouse).passed
    told.hear("ada", "delivered", "m1")
    told.sent_days_ago(1)
    told.build()
    assert reports_agree(told.warehouse).passed
    [row] = told.warehouse.read("activation.reconciliation").to_dicts()
    assert (row["sent_count"], row["told_count"], row["missing_count"]) == (2, 1, 1)


def test_a_destination_that_tells_of_what_people_did_alone_is_not_asked_for_the_others(
    told: Shop,
) -> None:
    told.hear("ada", "opened", "m1")
    told.hear("ada", "clicked", "m1")
    assert told.build()["ada"]["clicked_at"]
    assert reports_agree(told.warehouse).passed
    told.hear("ada", "sent", "m1")
    told.build()
    assert not reports_agree(told.warehouse).passed


def test_what_is_kept_in_an_audience_is_no_message_to_a_person(
    tmp_path: Path, receiver: Receiver
) -> None:
    shop = Shop(tmp_path, receiver)
    platform = shop.settings.platform.model_copy(
        update={"activations": (ActivationRule(segment=SEGMENT, destination="crm"),)}
    )
    activate(shop.warehouse, shop.state, shop.settings.model_copy(update={"platform": platform}))
    assert set(shop.build()) == {"ada", "bob"}
    assert shop.warehouse.read("activation.deliveries").height == 2

"""Stripe: what is asked, and what becomes of the answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from json_answers import json_answer
from pydantic import SecretStr
from samples.stripe import SAMPLES
from staged_samples import Rows, stage

from marketing_platform.settings import Settings
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.stream import Page, Window
from marketing_platform.sources.stripe.source import SYSTEM, StripeSettings
from marketing_platform.sources.system import Api

DAY = Window(dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 1, 6, tzinfo=dt.UTC))
SETTINGS = StripeSettings(type="stripe", api_key=SecretStr("sk_test_secret"), page_size=2)


class Charges(Client):
    """Lists three charges as Stripe does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.asked.append(request)
        keys = ["ch_3", "ch_2", "ch_1"]
        after = request.params.get("starting_after")
        left = keys[keys.index(after) + 1 :] if after else keys
        size = int(request.params["limit"])
        body = {"data": [{"id": key} for key in left[:size]], "has_more": len(left) > size}
        return json_answer(body)


def keys(page: Page) -> list[str]:
    return [one["id"] for one in orjson.loads(page.content)["data"]]


def walk(stream: str, client: Client, checkpoint: Any = None) -> list[tuple[Page, Any]]:
    return list(SYSTEM.stream(stream).walk.pages(client, SETTINGS, DAY, checkpoint))  # type: ignore[union-attr]


def test_a_list_is_read_to_its_end_by_the_last_key() -> None:
    client = Charges()
    pages = walk("charges", client)
    assert [keys(page) for page, _ in pages] == [["ch_3", "ch_2"], ["ch_1"]]
    assert pages[-1][1] is None
    assert client.asked[0] == Request(
        "/v1/charges",
        {"created[gte]": 1767571200, "created[lt]": 1767657600, "limit": 2},
    )


def test_a_walk_goes_on_after_its_checkpoint_and_the_checkpoint_is_plain_json() -> None:
    _, checkpoint = walk("charges", Charges())[0]
    resumed = walk("charges", Charges(), orjson.loads(orjson.dumps(checkpoint)))
    assert [keys(page) for page, _ in resumed] == [["ch_1"]]
    assert b"secret" not in orjson.dumps(checkpoint)


def test_cancelled_subscriptions_are_asked_for_too() -> None:
    client = Charges()
    walk("subscriptions", client)
    assert client.asked[0].params["status"] == "all"


def test_no_more_types_of_events_are_named_than_stripe_allows() -> None:
    client = Charges()
    walk("events", client)
    assert len(client.asked[0].params["types[]"]) == 20


@pytest.mark.parametrize("name", ["customers", "charges", "refunds", "subscriptions", "invoices"])
def test_the_events_of_each_kind_of_object_are_its_later_versions(name: str) -> None:
    (versions,) = SYSTEM.stream(name).versions
    assert versions.where == ("$.data.object.object", name.removesuffix("s"))


def test_a_request_bears_the_key_and_the_version() -> None:
    assert SYSTEM.api is not None
    api: Api = SYSTEM.api(SETTINGS)
    assert api.headers == {"Stripe-Version": SETTINGS.version}
    assert api.auth is not None
    signed = next(
        api.auth.sync_auth_flow(httpx.Request("GET", "https://api.stripe.com/v1/charges"))
    )
    assert signed.headers["Authorization"] == "Bearer sk_test_secret"
    assert "secret" not in repr(SETTINGS)


@pytest.fixture
def rows(make_settings: Callable[..., Settings]) -> Callable[..., Rows]:
    return stage(make_settings, "stripe", {"api_key": "sk_test_secret"}, SAMPLES)


def test_amounts_are_in_units_of_their_currency_and_the_latest_version_counts(
    rows: Callable[..., Rows],
) -> None:
    read = rows("payments", "source_payment_id", "payment_amount", "payment_status", "outcome")
    assert [tuple(row.values()) for row in read] == [
        ("ch_1", Decimal("25.50"), "pending", "duplicate"),
        ("ch_1", Decimal("25.50"), "succeeded", "accepted"),
        ("ch_2", Decimal("500.00"), "succeeded", "accepted"),
        ("ch_3", Decimal("5.12"), "failed", "accepted"),
        ("ch_4", Decimal("5.00"), "succeeded", "accepted"),
        ("ch_5", None, "pending", "quarantined"),
    ]


def test_a_refund_names_its_charge(rows: Callable[..., Rows]) -> None:
    columns = ("source_charge_id", "payment_kind", "payment_amount", "payment_status")
    assert [tuple(row.values()) for row in rows("payments__refunds", *columns)] == [
        ("ch_1", "refund", Decimal("10.00"), "succeeded"),
        ("ch_1", "refund", Decimal("1.00"), "cancelled"),
    ]


def test_a_customer_is_deleted_where_an_event_says_so(rows: Callable[..., Rows]) -> None:
    columns = ("source_contact_id", "first_name", "last_name", "country", "is_deleted", "outcome")
    assert [tuple(row.values()) for row in rows("contacts", *columns)] == [
        ("cus_1", "Peter", "van Gibbons", "DE", True, "duplicate"),
        ("cus_1", "Peter", "van Gibbons", "DE", True, "accepted"),
        ("cus_2", "Cher", None, None, False, "accepted"),
    ]


def test_a_quarterly_subscription_is_priced_by_the_month(rows: Callable[..., Rows]) -> None:
    columns = ("source_contact_id", "status", "period_amount", "billing_period", "currency")
    first, second = rows("subscriptions", *columns)
    assert tuple(first.values()) == ("cus_1", "active", Decimal("11.00"), "month", "EUR")
    assert tuple(second.values()) == ("cus_2", "canceled", None, None, "USD")


def test_an_invoice_tells_what_is_due_and_what_was_paid(rows: Callable[..., Rows]) -> None:
    columns = ("source_subscription_id", "status", "due_amount", "paid_amount", "outcome")
    assert [tuple(row.values()) for row in rows("invoices", *columns)] == [
        ("sub_1", "paid", Decimal("33.00"), Decimal("33.00"), "accepted"),
        (None, "deleted", Decimal("5.00"), Decimal("0.00"), "duplicate"),
        (None, "deleted", Decimal("5.00"), Decimal("0.00"), "accepted"),
    ]


def test_stripes_own_examples_are_read(
    make_settings: Callable[..., Settings], shared_data: Callable[[str], Path]
) -> None:
    examples = orjson.loads((shared_data("vendors/stripe") / "fixtures3.json").read_bytes())
    names = ("customer", "charge", "refund", "subscription", "invoice")
    samples = {f"{name}s": [examples["resources"][name]] for name in names}
    read = stage(make_settings, "stripe", {"api_key": "sk_test_secret"}, samples)
    for entity in ("contacts", "payments", "payments__refunds", "subscriptions", "invoices"):
        assert read(entity, "quarantine_reason", "outcome") == [
            {"quarantine_reason": None, "outcome": "accepted"}
        ]
    (subscription,) = read("subscriptions", "period_amount", "billing_period", "currency")
    assert tuple(subscription.values()) == (Decimal("20.00"), "month", "USD")

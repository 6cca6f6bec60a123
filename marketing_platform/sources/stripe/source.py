"""Stripe: customers, charges, refunds, subscriptions, invoices, and the events that change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from pydantic import Field, SecretStr

from marketing_platform.sources.client import Client, Request
from marketing_platform.sources.fields import Field as Column
from marketing_platform.sources.fields import ident, integer, number, seconds, text
from marketing_platform.sources.paging import LastId, Rest
from marketing_platform.sources.stream import Items, Stream, Versions, Window
from marketing_platform.sources.system import Api, Rate, System, SystemSettings

# The most types that one list of events can name. What is made new is listed with its kind.
_EVENT_TYPES = (
    "customer.updated",
    "customer.deleted",
    "charge.captured",
    "charge.expired",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "refund.updated",
    "refund.failed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.updated",
    "invoice.deleted",
    "invoice.finalized",
    "invoice.paid",
    "invoice.voided",
)
# Stripe allows 100 requests a second, but 25 of one kind, and 25 in a sandbox of theirs.
_RATE = Rate(25, 1.0)


class StripeSettings(SystemSettings):
    """One account; a restricted key with the right to read is enough."""

    base_url: str = "https://api.stripe.com"
    api_key: SecretStr
    version: str = Field(default="2026-10-28.endive", pattern=r"^\d{4}-\d\d-\d\d(\.[a-z]+)?$")
    page_size: int = Field(default=100, ge=1, le=100)


class _Bearer(httpx.Auth):
    """The key, put on each request."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Any:
        """Sign one request."""
        request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        yield request


def _api(settings: StripeSettings) -> Api:
    return Api(
        settings.base_url,
        auth=_Bearer(settings.api_key),
        headers={"Stripe-Version": settings.version},
        rates=(_RATE,),
    )


def _probe(client: Client, settings: StripeSettings) -> str:
    found = client.send(Request("/v1/charges", params={"limit": 1})).body["data"]
    mode = "live" if found and found[0].get("livemode") else "test"
    return f"{mode} mode" if found else "no charges yet"


def _walk(kind: str, **params: Any) -> Rest:
    """The objects of a kind made within the window, newest first."""
    return Rest(_first(kind, params), "$.data", LastId("starting_after", "$.has_more"))


def _first(kind: str, params: dict[str, Any]) -> Callable[[StripeSettings, Window], Request]:
    def first(settings: StripeSettings, window: Window) -> Request:
        made = {
            "created[gte]": int(window.first.timestamp()),
            "created[lt]": int(window.end.timestamp()),
        }
        return Request(f"/v1/{kind}", {**made, "limit": settings.page_size, **params})

    return first


_CREATED = seconds("created_at", "$.created", local_date="created_date")
_CUSTOMER = ident("customer_id", "$.customer.id", "$.customer")
_CURRENCY = text("currency", "$.currency")


def _stream(
    name: str,
    own: tuple[Column, ...],
    kind: str = "",
    items: tuple[Items, ...] = (),
    *,
    is_state: bool = False,
    **params: Any,
) -> Stream:
    """A kind of object. It carries no time of change, so a listed one counts as of its creation.

    Its later versions come with the events that tell of the changes.
    """
    versions = Versions(
        "events",
        "$.data.object",
        ("$.data.object.object", kind or name.removesuffix("s")),
        seconds("updated_at", "$.created"),
    )
    return Stream(
        name,
        _walk(name, **params),
        seconds("updated_at", "$.created"),
        (ident("id", "$.id"), _CREATED, *own),
        items=items,
        versions=(versions,),
        is_state=is_state,
    )


_CUSTOMERS = _stream(
    "customers",
    (
        text("email", "$.email"),
        text("phone", "$.phone", "$.shipping.phone"),
        text("name", "$.individual_name", "$.name", "$.shipping.name"),
        text("country", "$.address.country", "$.shipping.address.country"),
        text("street", "$.address.line1"),
        text("city", "$.address.city"),
        text("postcode", "$.address.postal_code"),
        text("region", "$.address.state"),
        text("language", "$.preferred_locales[0]"),
    ),
    is_state=True,
)

_CHARGES = _stream(
    "charges",
    (
        _CUSTOMER,
        text("email", "$.billing_details.email", "$.receipt_email"),
        ident("order_id", "$.metadata.order_id", "$.metadata.order"),
        text("status", "$.status"),
        integer("amount", "$.amount"),
        # A digest that Stripe gives: the same for the same card.
        text("card_fingerprint", "$.payment_method_details.card.fingerprint"),
        _CURRENCY,
    ),
)

_REFUNDS = _stream(
    "refunds",
    (
        ident("charge_id", "$.charge.id", "$.charge"),
        ident("order_id", "$.metadata.order_id", "$.metadata.order"),
        text("status", "$.status"),
        integer("amount", "$.amount"),
        _CURRENCY,
    ),
)

_SUBSCRIPTIONS = _stream(
    "subscriptions",
    (
        _CUSTOMER,
        text("status", "$.status"),
        seconds("started_at", "$.start_date", "$.created"),
        # In the subscription until 2025, in each of its items since.
        seconds(
            "current_period_end_at",
            "$.current_period_end",
            "$.items.data[0].current_period_end",
        ),
        seconds("cancelled_at", "$.canceled_at"),
        seconds("ended_at", "$.ended_at"),
        text("billing_interval", "$.items.data[0].price.recurring.interval", "$.plan.interval"),
        integer(
            "interval_count",
            "$.items.data[0].price.recurring.interval_count",
            "$.plan.interval_count",
        ),
        _CURRENCY,
    ),
    items=(
        Items(
            "subscription_items",
            ("$.items.data",),
            (
                integer("quantity", "$.quantity"),
                number("unit_amount", "$.price.unit_amount_decimal", "$.price.unit_amount"),
            ),
            "$.id",
        ),
    ),
    # Cancelled ones are left out unless asked for.
    status="all",
    is_state=True,
)

_INVOICES = _stream(
    "invoices",
    (
        _CUSTOMER,
        # In the invoice until 2025, in what it comes of since.
        ident(
            "subscription_id",
            "$.parent.subscription_details.subscription",
            "$.subscription.id",
            "$.subscription",
        ),
        text("email", "$.customer_email"),
        text("status", "$.status"),
        seconds("finalized_at", "$.status_transitions.finalized_at"),
        seconds("due_at", "$.due_date"),
        seconds("paid_at", "$.status_transitions.paid_at"),
        integer("amount_due", "$.amount_due"),
        integer("amount_paid", "$.amount_paid"),
        _CURRENCY,
    ),
)

_EVENTS = Stream(
    "events",
    _walk("events", **{"types[]": list(_EVENT_TYPES)}),
    seconds("updated_at", "$.created"),
    (
        ident("event_id", "$.id"),
        text("event_type", "$.type"),
        ident("object_id", "$.data.object.id"),
        _CREATED,
    ),
)

SYSTEM = System(
    "stripe",
    "Stripe",
    StripeSettings,
    (_CUSTOMERS, _CHARGES, _REFUNDS, _SUBSCRIPTIONS, _INVOICES, _EVENTS),
    api=_api,
    probe=_probe,
)

"""Stripe's lists of customers, charges, refunds, subscriptions, invoices and events.

`GET /v1/<kind>` with `created[gte]`, `created[lt]`, `limit` and `starting_after`, newest first. An
object is listed as it is now; each change of it is an event with the object as it was then. All
events are of the types that a list may name, so `types[]` changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, encode, micros

_MOST = 100
_DEFAULT = 10
_AUTOMATIC_TAX = pl.struct(enabled=pl.lit(False), liability=pl.lit(None), status=pl.lit(None))


def _id(prefix: str, column: str) -> pl.Expr:
    return pl.lit(f"{prefix}_") + pl.col(column).cast(pl.String)


def _cents(column: str) -> pl.Expr:
    return (pl.col(column) * 100).cast(pl.Int64)


def _seconds(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("s")


def _object(kind: str, key: pl.Expr, created: str, **own: pl.Expr) -> pl.Expr:
    common = {
        "id": key,
        "object": pl.lit(kind),
        "created": _seconds(created),
        "livemode": pl.lit(False),
        "metadata": pl.struct(shop=pl.lit("demo")),
    }
    return pl.struct([value.alias(name) for name, value in {**common, **own}.items()])


def _versions(
    frame: pl.DataFrame, key: pl.Expr, created: str, payload: pl.Expr, event: pl.Expr
) -> pl.DataFrame:
    """A row per state of an object, with the type of the event that tells of it."""
    return encode(
        frame.select(
            key=key,
            updated_at=pl.col("updated_at").dt.truncate("1s"),
            created_at=pl.col(created).dt.truncate("1s"),
            event=event,
            payload=payload,
        )
    ).sort("updated_at", maintain_order=True)


def _customers(facts: Facts) -> pl.DataFrame:
    key = _id("cus", "account_id")
    name = pl.concat_str("first_name", "last_name", separator=" ", ignore_nulls=True)
    payload = _object(
        "customer",
        key,
        "created_at",
        email=pl.col("email"),
        name=name,
        phone=pl.col("phone"),
        address=pl.struct(
            "country", "city", line1="street", postal_code="postcode", state="region"
        ),
        preferred_locales=pl.concat_list("language"),
    )
    return _versions(facts.accounts, key, "created_at", payload, pl.lit("customer.updated"))


def _customer() -> pl.Expr:
    known = pl.col("account_id").is_not_null()
    return pl.when(known).then(_id("cus", "account_id"))


def _charges(facts: Facts) -> pl.DataFrame:
    key = _id("ch", "charge_id")
    is_paid = pl.col("status") == "succeeded"
    payload = _object(
        "charge",
        key,
        "created_at",
        amount=_cents("amount"),
        amount_captured=pl.when(is_paid).then(_cents("amount")).otherwise(0),
        amount_refunded=_cents("refunded_amount"),
        billing_details=pl.struct(
            address=pl.struct(country=pl.col("country")), email=pl.col("email")
        ),
        captured=is_paid,
        currency=pl.col("currency").str.to_lowercase(),
        customer=_customer(),
        disputed=pl.lit(False),
        paid=is_paid,
        payment_method_details=pl.struct(
            type=pl.lit("card"),
            # Everybody has a card of their own.
            card=pl.struct(
                fingerprint=pl.lit("Fp") + (pl.col("person") + 10_000_019).cast(pl.String),
                exp_month=pl.lit(12),
                exp_year=pl.lit(2030),
            ),
        ),
        refunded=pl.col("refunded_amount") == pl.col("amount"),
        status=pl.col("status"),
        metadata=pl.struct(order_id=pl.col("order_id").cast(pl.String)),
    )
    event = (
        pl.when(pl.col("refunded_amount") > 0)
        .then(pl.lit("charge.refunded"))
        .otherwise(pl.lit("charge.updated"))
    )
    return _versions(facts.charges, key, "created_at", payload, event)


def _refunds(facts: Facts) -> pl.DataFrame:
    key = _id("re", "charge_refund_id")
    payload = _object(
        "refund",
        key,
        "created_at",
        amount=_cents("amount"),
        charge=_id("ch", "charge_id"),
        currency=pl.col("currency").str.to_lowercase(),
        status=pl.lit("succeeded"),
        metadata=pl.struct(order_id=pl.col("order_id").cast(pl.String)),
    )
    return _versions(facts.charge_refunds, key, "created_at", payload, pl.lit("refund.updated"))


def _subscriptions(facts: Facts) -> pl.DataFrame:
    key = _id("sub", "subscription_id")
    end = _seconds("current_period_end_at")
    price = pl.struct(
        id=_id("price", "subscription_id"),
        unit_amount=_cents("amount"),
        unit_amount_decimal=_cents("amount").cast(pl.String),
        recurring=pl.struct(interval=pl.lit("month"), interval_count=pl.lit(1)),
    )
    item = pl.struct(
        id=_id("si", "subscription_id"), quantity=pl.lit(1), current_period_end=end, price=price
    )
    is_over = pl.col("status") == "cancelled"
    payload = _object(
        "subscription",
        key,
        "started_at",
        automatic_tax=_AUTOMATIC_TAX,
        billing_cycle_anchor=_seconds("started_at"),
        cancel_at_period_end=pl.lit(False),
        canceled_at=_seconds("cancelled_at"),
        collection_method=pl.lit("charge_automatically"),
        currency=pl.col("currency").str.to_lowercase(),
        customer=_customer(),
        ended_at=_seconds("cancelled_at"),
        items=pl.struct(object=pl.lit("list"), data=pl.concat_list(item), has_more=pl.lit(False)),
        start_date=_seconds("started_at"),
        status=pl.when(is_over).then(pl.lit("canceled")).otherwise(pl.col("status")),
    )
    event = (
        pl.when(is_over)
        .then(pl.lit("customer.subscription.deleted"))
        .otherwise(pl.lit("customer.subscription.updated"))
    )
    return _versions(facts.subscriptions, key, "started_at", payload, event)


def _invoices(facts: Facts) -> pl.DataFrame:
    key = _id("in", "invoice_id")
    payload = _object(
        "invoice",
        key,
        "invoiced_at",
        amount_due=_cents("due_amount"),
        amount_paid=_cents("paid_amount"),
        amount_remaining=_cents("due_amount") - _cents("paid_amount"),
        currency=pl.col("currency").str.to_lowercase(),
        customer=_customer(),
        customer_email=pl.col("email"),
        due_date=_seconds("due_at"),
        parent=pl.struct(
            type=pl.lit("subscription_details"),
            subscription_details=pl.struct(subscription=_id("sub", "subscription_id")),
        ),
        status=pl.col("status"),
        status_transitions=pl.struct(
            finalized_at=_seconds("invoiced_at"), paid_at=_seconds("paid_at")
        ),
    )
    is_paid = pl.col("status") == "paid"
    event = pl.when(is_paid).then(pl.lit("invoice.paid")).otherwise(pl.lit("invoice.updated"))
    return _versions(facts.invoices, key, "invoiced_at", payload, event)


_KINDS: dict[str, Callable[[Facts], pl.DataFrame]] = {
    "customers": _customers,
    "charges": _charges,
    "refunds": _refunds,
    "subscriptions": _subscriptions,
    "invoices": _invoices,
}


def _events(kinds: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """An event for each state of an object but the first."""
    changes = pl.concat(
        frame.with_columns(number=pl.int_range(pl.len()).over("key")).filter(pl.col("number") > 0)
        for frame in kinds.values()
    )
    key = pl.format("evt_{}_{}", "key", "number")
    text = pl.concat_str(
        pl.lit('{"object":"event","livemode":false,"pending_webhooks":0,"id":"'),
        key,
        pl.lit('","type":"'),
        "event",
        pl.lit('","created":'),
        pl.col("updated_at").dt.epoch("s"),
        pl.lit(',"data":{"object":'),
        "payload",
        pl.lit("}}"),
    )
    return changes.select(key=key, updated_at="updated_at", created_at="updated_at", payload=text)


class _List:
    """The lists of one kind."""

    def __init__(self, kind: str, shelf: Shelf, made: dict[str, dt.datetime]) -> None:
        self._kind, self._shelf, self._made = kind, shelf, made

    async def answer(self, request: Request) -> Response:
        """One page, newest first."""
        asked = request.query_params
        after = asked.get("starting_after")
        if after is not None and after not in self._made:
            return _error(404)
        page = self._shelf.select(
            first=_moment(asked.get("created[gte]")),
            end=_moment(asked.get("created[lt]")),
            by="created_at",
            order="created_at",
            descending=True,
            after=(micros(self._made[after]), after) if after else None,
            limit=min(int(asked.get("limit", _DEFAULT)), _MOST),
        )
        head = {"object": "list", "url": f"/v1/{self._kind}", "has_more": page.has_more}
        body = orjson.dumps(head)[:-1] + b',"data":[' + b",".join(page.payloads) + b"]}"
        return Response(body, media_type="application/json")


def _moment(seconds: str | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC) if seconds else None


def _routes(shop: Shop) -> list[Route]:
    kinds = {name: make(shop.facts) for name, make in _KINDS.items()}
    routes = []
    for name, frame in {**kinds, "events": _events(kinds)}.items():
        made = dict(frame.select("key", "created_at").iter_rows())
        listed = _List(name, shop.shelf(frame.drop("event", strict=False)), made)
        routes.append(Route(f"/v1/{name}", listed.answer))
    return routes


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("authorization")
    return None if given == f"Bearer {shop.credentials['api_key']}" else _error(401)


def _error(status: int) -> Response:
    kind = {429: "rate_limit_error", 500: "api_error"}.get(status, "invalid_request_error")
    return JSONResponse({"error": {"type": kind, "message": f"Status {status}."}}, status)


VENDOR = Vendor("stripe", _routes, _authorised, _error, rate=(25, 1.0), credentials=("api_key",))

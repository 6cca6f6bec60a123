"""Klaviyo: metrics, events by metric and time, profiles by their last change, reviews; JSON:API."""

from __future__ import annotations

import datetime as dt
import json
import re
from urllib.parse import urlencode

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._messages import happenings
from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, encode

_TYPE = "application/vnd.api+json"
_METRICS = {
    ("email", "delivered"): "Received Email",
    ("email", "opened"): "Opened Email",
    ("email", "clicked"): "Clicked Email",
    ("email", "bounced"): "Bounced Email",
    ("email", "complained"): "Marked Email as Spam",
    ("email", "unsubscribed"): "Unsubscribed from Email Marketing",
    ("sms", "delivered"): "Received SMS",
    ("sms", "clicked"): "Clicked SMS",
    ("sms", "bounced"): "Failed to Deliver SMS",
    ("sms", "replied_stop"): "Unsubscribed from SMS Marketing",
}
_METRIC_IDS = {name: f"M{place:05}" for place, name in enumerate(_METRICS.values())}
_CONDITION = re.compile(r"([a-z-]+)\((\w+),\"?([^\")]+)\"?\)")
_ISO = "%Y-%m-%dT%H:%M:%S+00:00"


def _events(facts: Facts) -> pl.DataFrame:
    names = pl.DataFrame(
        [(*key, name, _METRIC_IDS[name]) for key, name in _METRICS.items()],
        schema=["channel", "kind", "metric", "metric_id"],
        orient="row",
    )
    # Only people with an account are profiles.
    rows = happenings(facts).filter(pl.col("account_id").is_not_null())
    rows = rows.join(names, on=["channel", "kind"])
    is_click = pl.col("kind") == "clicked"
    key = pl.format("{}-{}", "message_id", "kind")
    properties = pl.struct(
        pl.col("email").alias("Recipient Email Address"),
        pl.col("phone").alias("To Number"),
        pl.col("campaign_name").alias("Campaign Name"),
        pl.col("campaign_id").cast(pl.String).alias("$message"),
        pl.format("{}:{}", pl.col("sent_at").dt.epoch("s"), "campaign_id").alias(
            "$_cohort$message_send_cohort"
        ),
        pl.when(kind="opened").then(pl.lit(value=False)).alias("machine_open"),
        pl.when(is_click).then("clicked_url").alias("URL"),
        pl.when(kind="bounced").then(pl.col("bounce_type").str.to_titlecase()).alias("Bounce Type"),
    )
    payload = pl.struct(
        type=pl.lit("event"),
        id=key,
        attributes=pl.struct(
            timestamp=pl.col("occurred_at").dt.epoch("s"),
            datetime=pl.col("occurred_at").dt.to_string(_ISO),
            event_properties=properties,
        ),
        relationships=pl.struct(
            metric=_relation("metric", pl.col("metric_id")),
            profile=_relation("profile", _profile_id()),
        ),
    )
    return encode(rows.select("metric_id", key=key, updated_at="occurred_at", payload=payload))


def _profiles(facts: Facts) -> pl.DataFrame:
    payload = pl.struct(
        type=pl.lit("profile"),
        id=_profile_id(),
        attributes=pl.struct(
            "email",
            "first_name",
            "last_name",
            phone_number="phone",
            locale="language",
            location=pl.struct("country", "city", "region", address1="street", zip="postcode"),
            created=pl.col("created_at").dt.to_string(_ISO),
            updated=pl.col("updated_at").dt.to_string(_ISO),
            subscriptions=pl.struct(email=_consent("email"), sms=_consent("sms")),
        ),
    )
    return encode(facts.accounts.select(key="account_id", updated_at="updated_at", payload=payload))


def _reviews(facts: Facts) -> pl.DataFrame:
    titles = facts.products.unique("product_id", keep="last").select("product_id", "title")
    payload = pl.struct(
        type=pl.lit("review"),
        id=pl.col("review_id").cast(pl.String),
        attributes=pl.struct(
            "author",
            "email",
            "rating",
            verified="is_verified",
            review_type=pl.lit("review"),
            status=pl.struct(value="status"),
            content=pl.lit("As described."),
            title=pl.lit("Fine"),
            images=pl.lit([], pl.List(pl.String)),
            product=pl.struct(
                name="title",
                external_id=pl.col("product_id").cast(pl.String),
                url=pl.format("https://shop.example/products/{}", "product_id"),
            ),
            created=pl.col("reviewed_at").dt.to_string(_ISO),
            updated=pl.col("updated_at").dt.to_string(_ISO),
        ),
    )
    rows = facts.reviews.join(titles, on="product_id", how="left", maintain_order="left")
    return encode(rows.select(key="review_id", updated_at="updated_at", payload=payload))


def _profile_id() -> pl.Expr:
    return pl.format("01PROFILE{}", "account_id")


def _relation(kind: str, key: pl.Expr) -> pl.Expr:
    return pl.struct(data=pl.struct(type=pl.lit(kind), id=key))


def _consent(channel: str) -> pl.Expr:
    agreed = pl.col(f"has_{channel}_consent")
    state = (
        pl.when(agreed.is_null())
        .then(pl.lit("NEVER_SUBSCRIBED"))
        .when(agreed)
        .then(pl.lit("SUBSCRIBED"))
        .otherwise(pl.lit("UNSUBSCRIBED"))
    )
    # Texts need a word of the person's own.
    can_receive = agreed.fill_null(channel == "email").alias(f"can_receive_{channel}_marketing")
    return pl.struct(marketing=pl.struct(state.alias("consent"), can_receive))


def _routes(shop: Shop) -> list[Route]:
    events, profiles = shop.shelf(_events(shop.facts)), shop.shelf(_profiles(shop.facts))
    reviews = shop.shelf(_reviews(shop.facts))

    async def list_metrics(request: Request) -> Response:
        data = [
            {"type": "metric", "id": key, "attributes": {"name": name}}
            for name, key in {**_METRIC_IDS, "Placed Order": "M99999"}.items()
        ]
        return JSONResponse({"data": data, "links": {"next": None}}, media_type=_TYPE)

    async def list_events(request: Request) -> Response:
        return _page(shop, events, request, 200, 1000)

    async def list_profiles(request: Request) -> Response:
        return _page(shop, profiles, request, 20, 100)

    async def list_reviews(request: Request) -> Response:
        return _page(shop, reviews, request, 20, 100)

    return [
        Route("/api/metrics", list_metrics),
        Route("/api/events", list_events),
        Route("/api/profiles", list_profiles),
        Route("/api/reviews", list_reviews),
    ]


def _page(shop: Shop, shelf: Shelf, request: Request, usual: int, most: int) -> Response:
    params = dict(request.query_params)
    limit = min(int(params.get("page[size]", usual)), most)
    offset = int(params.get("page[cursor]", 0))
    conditions = {
        (name, column): value
        for name, column, value in _CONDITION.findall(params.get("filter", ""))
    }
    metric = conditions.get(("equals", "metric_id"))
    found = shelf.select(
        first=_moment(conditions, "greater-or-equal", "greater-than"),
        end=_moment(conditions, "less-than"),
        offset=offset,
        limit=limit,
        where={"metric_id": metric} if metric else None,
    )
    following = {**params, "page[cursor]": str(offset + limit)}
    url = f"{shop.url}{request.url.path.removeprefix(request.scope.get('root_path', ''))}"
    links = {"next": f"{url}?{urlencode(following)}" if found.has_more else None}
    body = b'{"data":[' + b",".join(found.payloads) + b'],"links":' + json.dumps(links).encode()
    return Response(body + b"}", media_type=_TYPE)


def _moment(conditions: dict[tuple[str, str], str], *names: str) -> dt.datetime | None:
    """The moment of a condition; the shelf's ends take a second more for `greater-than`."""
    for (name, column), value in conditions.items():
        if name in names and column in ("datetime", "updated"):
            moment = dt.datetime.fromisoformat(value)
            return moment + dt.timedelta(microseconds=1) if name == "greater-than" else moment
    return None


def _authorised(shop: Shop, request: Request) -> Response | None:
    if "revision" not in request.headers:
        return _error(400)
    given = request.headers.get("authorization")
    return None if given == f"Klaviyo-API-Key {shop.credentials['api_key']}" else _error(401)


def _error(status: int) -> Response:
    headers = {"Retry-After": "1"} if status == 429 else {}
    error = {"id": "sandbox", "status": status, "code": "error", "title": f"Error {status}"}
    return JSONResponse({"errors": [error]}, status, headers, _TYPE)


VENDOR = Vendor("klaviyo", _routes, _authorised, _error, rate=(350, 1.0), credentials=("api_key",))

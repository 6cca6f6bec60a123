"""Customer.io: messages by metric and creation, a token for the next page."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._messages import KINDS, happenings, seconds
from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import encode

# Its own names for what happens; a reply of STOP is an unsubscribe.
_METRICS = {"complained": "spammed", "replied_stop": "unsubscribed"}


def _messages(facts: Facts) -> pl.DataFrame:
    """A row for each metric of a message, which tells what had happened until then."""
    rows = happenings(facts).with_columns(metric=pl.col("kind").replace(_METRICS))
    told = pl.struct(
        (
            pl.when(pl.col(f"{kind}_at") <= pl.col("occurred_at"))
            .then(seconds(f"{kind}_at"))
            .alias(_METRICS.get(kind, kind))
        )
        for kind in KINDS
        if kind != "replied_stop"
    )
    stopped = pl.when(kind="replied_stop").then(seconds("replied_stop_at"))
    told = told.struct.with_fields(unsubscribed=pl.coalesce(pl.field("unsubscribed"), stopped))
    email = pl.col("channel") == "email"
    payload = pl.struct(
        id=pl.format("dgO{}", "message_id"),
        customer_id=pl.col("account_id").cast(pl.String),
        recipient=pl.when(email).then("email").otherwise("phone"),
        type=pl.when(email).then(pl.lit("email")).otherwise(pl.lit("twilio")),
        campaign_id="campaign_id",
        created=seconds("sent_at"),
        metrics=told,
    )
    key = pl.format("{}/{}", "message_id", "metric")
    frame = rows.select(
        "metric", key=key, updated_at="occurred_at", created_at="sent_at", payload=payload
    )
    return encode(frame)


def _routes(shop: Shop) -> list[Route]:
    messages = shop.shelf(_messages(shop.facts))

    async def list_messages(request: Request) -> Response:
        params = request.query_params
        metric = params.get("metric", "sent")
        start = int(params.get("start") or 0)
        limit = min(int(params.get("limit", 50)), 1000)
        found = messages.select(
            first=_moment(params.get("start_ts")),
            end=_moment(params.get("end_ts")),
            by="created_at",
            order="created_at",
            offset=start,
            limit=limit,
            where={"metric": metric},
        )
        following = json.dumps(str(start + limit) if found.has_more else "").encode()
        body = b'{"messages":[' + b",".join(found.payloads) + b'],"next":' + following + b"}"
        return Response(body, media_type="application/json")

    return [Route("/v1/messages", list_messages)]


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(int(text), dt.UTC) if text else None


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("authorization")
    return None if given == f"Bearer {shop.credentials['api_key']}" else _error(401)


def _error(status: int) -> Response:
    return JSONResponse({"meta": {"error": f"error {status}"}}, status)


VENDOR = Vendor(
    "customer_io", _routes, _authorised, _error, rate=(10, 1.0), credentials=("api_key",)
)

"""Twilio: text messages by the day they were sent, and STOP replies to them."""

from __future__ import annotations

import base64
import datetime as dt
import json
from urllib.parse import urlencode

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import encode

ACCOUNT_SID = "AC" + "5a" * 16
_SENDER = "+15005550006"
_RFC_2822 = "%a, %d %b %Y %H:%M:%S +0000"


def _messages(facts: Facts) -> pl.DataFrame:
    """A row per state: sent, then delivered or not; and a row per reply."""
    texts = facts.messages.filter(channel="sms")
    shop, person = pl.lit(_SENDER), pl.col("phone")
    ended = pl.coalesce("delivered_at", "bounced_at")
    status = pl.when(pl.col("bounced_at").is_null()).then(pl.lit("delivered"))
    code = pl.when(bounce_type="hard").then(30005).when(bounce_type="soft").then(30003)
    none = pl.lit(None, pl.Int32)
    told = pl.lit("Our sale is on")
    return pl.concat(
        [
            _rows(texts, "1", "outbound-api", "sent_at", pl.lit("sent"), shop, person, told, none),
            _rows(
                texts.with_columns(ended_at=ended).filter(pl.col("ended_at").is_not_null()),
                "1",
                "outbound-api",
                "ended_at",
                status.otherwise(pl.lit("undelivered")),
                shop,
                person,
                told,
                code,
            ),
            _rows(
                texts.filter(pl.col("replied_stop_at").is_not_null()),
                "2",
                "inbound",
                "replied_stop_at",
                pl.lit("received"),
                person,
                shop,
                pl.lit("Stop"),
                none,
            ),
        ]
    )


def _rows(
    texts: pl.DataFrame,
    mark: str,
    direction: str,
    moment: str,
    status: pl.Expr,
    sender: pl.Expr,
    recipient: pl.Expr,
    body: pl.Expr,
    code: pl.Expr,
) -> pl.DataFrame:
    sent = "replied_stop_at" if direction == "inbound" else "sent_at"
    number = pl.col("message_id").cast(pl.String).str.zfill(31)
    payload = pl.struct(
        sender.alias("from"),
        sid=pl.format("SM{}{}", pl.lit(mark), number),
        account_sid=pl.lit(ACCOUNT_SID),
        direction=pl.lit(direction),
        status=status,
        to=recipient,
        body=body,
        error_code=code.cast(pl.Int32),
        date_created=pl.col(sent).dt.to_string(_RFC_2822),
        date_sent=pl.col(sent).dt.to_string(_RFC_2822),
        date_updated=pl.col(moment).dt.to_string(_RFC_2822),
    )
    key = pl.format("SM{}{}", pl.lit(mark), number)
    return encode(texts.select(key=key, updated_at=moment, created_at=sent, payload=payload))


def _routes(shop: Shop) -> list[Route]:
    messages = shop.shelf(_messages(shop.facts))
    path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"

    async def list_messages(request: Request) -> Response:
        params = dict(request.query_params)
        limit = min(int(params.get("PageSize", 50)), 1000)
        page = int(params.get("Page", 0))
        last = _day(params.get("DateSent<"))
        found = messages.select(
            first=_day(params.get("DateSent>")),
            end=last + dt.timedelta(days=1) if last else None,
            by="created_at",
            order="created_at",
            offset=page * limit,
            limit=limit,
        )
        following = urlencode({**params, "Page": page + 1, "PageToken": f"PASM{page + 1}"})
        link = json.dumps(f"{path}?{following}" if found.has_more else None)
        body = b'{"messages":[' + b",".join(found.payloads) + b'],"next_page_uri":'
        return Response(body + link.encode() + b"}", media_type="application/json")

    return [Route(path, list_messages)]


def _day(text: str | None) -> dt.datetime | None:
    """The day of a moment: Twilio looks at no more of it."""
    if not text:
        return None
    return dt.datetime.combine(dt.date.fromisoformat(text[:10]), dt.time(), dt.UTC)


def _authorised(shop: Shop, request: Request) -> Response | None:
    pair = f"{ACCOUNT_SID}:{shop.credentials['auth_token']}".encode()
    expected = f"Basic {base64.b64encode(pair).decode()}"
    return None if request.headers.get("authorization") == expected else _error(401)


def _error(status: int) -> Response:
    code = {401: 20003, 429: 20429}.get(status, 20500)
    return JSONResponse({"code": code, "message": f"Error {status}", "status": status}, status)


VENDOR = Vendor(
    "twilio",
    _routes,
    _authorised,
    _error,
    credentials=("auth_token",),
    settings={"account_sid": ACCOUNT_SID},
)

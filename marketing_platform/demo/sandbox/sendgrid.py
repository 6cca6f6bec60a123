"""SendGrid: the suppression lists, by the moment an address was put on one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._messages import happenings, seconds
from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import encode

# The lists, and which messages put their recipient on it; nobody has an address that is invalid.
_LISTS = {
    "bounces": (pl.col("kind") == "bounced") & (pl.col("bounce_type") == "hard"),
    "blocks": (pl.col("kind") == "bounced") & (pl.col("bounce_type") == "soft"),
    "invalid_emails": pl.lit(False),
    "spam_reports": pl.col("kind") == "complained",
    "unsubscribes": pl.col("kind") == "unsubscribed",
}


def _suppressions(facts: Facts, condition: pl.Expr) -> pl.DataFrame:
    rows = happenings(facts).filter(pl.col("channel") == "email", condition)
    status = pl.when(bounce_type="hard").then(pl.lit("5.1.1")).otherwise(pl.lit("4.0.0"))
    payload = pl.struct("email", created=seconds("occurred_at"), status=status)
    return encode(rows.select(key="message_id", updated_at="occurred_at", payload=payload))


def _routes(shop: Shop) -> list[Route]:
    return [
        *(
            Route(f"/v3/suppression/{name}", _endpoint(shop, condition))
            for name, condition in _LISTS.items()
        ),
        Route("/v3/asm/suppressions", _groups),
    ]


def _endpoint(shop: Shop, condition: pl.Expr) -> Callable[[Request], Awaitable[Response]]:
    shelf = shop.shelf(_suppressions(shop.facts, condition))

    async def list_suppressions(request: Request) -> Response:
        params = request.query_params
        end = _moment(params.get("end_time"))
        found = shelf.select(
            first=_moment(params.get("start_time")),
            # The end is included.
            end=end + dt.timedelta(seconds=1) if end else None,
            offset=int(params.get("offset", 0)),
            limit=min(int(params.get("limit", 500)), 500),
        )
        body = b"[" + b",".join(found.payloads) + b"]"
        return Response(body, media_type="application/json")

    return list_suppressions


async def _groups(_: Request) -> Response:
    """Nobody: the shop has no groups, and who leaves, leaves all."""
    return JSONResponse([])


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(int(text), dt.UTC) if text else None


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("authorization")
    return None if given == f"Bearer {shop.credentials['api_key']}" else _error(401)


def _error(status: int) -> Response:
    message = "too many requests" if status == 429 else f"error {status}"
    return JSONResponse({"errors": [{"field": None, "message": message}]}, status)


VENDOR = Vendor("sendgrid", _routes, _authorised, _error, credentials=("api_key",))

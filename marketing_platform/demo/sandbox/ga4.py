"""Google Analytics 4: `runReport` of visits by day, channel, source, medium and campaign."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._oauth import CREDENTIALS, has_token, token_route
from marketing_platform.demo.sandbox.server import Shop, Vendor

_UTM = ("utm_source", "utm_medium", "utm_campaign")
_DIMENSIONS = {
    "date": pl.col("date").dt.strftime("%Y%m%d"),
    "sessionDefaultChannelGroup": pl.col("channel"),
    "sessionSource": pl.col("utm_source").fill_null("(direct)"),
    "sessionMedium": pl.col("utm_medium").fill_null("(none)"),
    "sessionCampaignName": pl.col("utm_campaign").fill_null("(not set)"),
}
_METRICS = {
    "sessions": ("TYPE_INTEGER", pl.col("visits")),
    "totalUsers": ("TYPE_INTEGER", pl.col("visitors")),
    "keyEvents": ("TYPE_FLOAT", pl.col("purchases")),
    "totalRevenue": ("TYPE_CURRENCY", pl.col("revenue")),
}
_CHANNELS = {
    "cpc": "Paid Search",
    "email": "Email",
    "organic": "Organic Search",
    "social": "Organic Social",
    "paid_social": "Paid Social",
    "referral": "Referral",
}


def traffic(shop: Shop) -> pl.DataFrame:
    """What analytics knows by now: a row per day and source. A visitor visits once a day."""
    orders = shop.facts.latest("orders", shop.clock).select("order_id", "total_amount")
    events = shop.facts.latest("events", shop.clock).join(orders, on="order_id", how="left")
    is_purchase = pl.col("event") == "Order Completed"
    medium = pl.col("utm_medium").replace_strict(_CHANNELS, default="Unassigned")
    return (
        events.group_by(pl.col("occurred_at").dt.date().alias("date"), *_UTM)
        .agg(
            visits=pl.col("anonymous_id").n_unique(),
            visitors=pl.col("anonymous_id").n_unique(),
            purchases=is_purchase.sum(),
            revenue=pl.col("total_amount").filter(is_purchase).sum(),
        )
        .with_columns(
            channel=pl.when(pl.col("utm_medium").is_null()).then(pl.lit("Direct")).otherwise(medium)
        )
        .sort("date", *_UTM)
    )


def _routes(shop: Shop) -> list[Route]:
    known: dict[dt.datetime, pl.DataFrame] = {}

    async def run_report(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        dimensions = [one["name"] for one in asked.get("dimensions", ())]
        metrics = [one["name"] for one in asked.get("metrics", ())]
        if set(dimensions) - set(_DIMENSIONS) or set(metrics) - set(_METRICS) or not metrics:
            return _refusal(400, "INVALID_ARGUMENT", "Did you mean another field?")
        request.scope["listing"] = orjson.dumps({**asked, "offset": "0"})
        if shop.clock not in known:
            known.clear()
            known[shop.clock] = traffic(shop)
        first, last = (
            _day(shop, asked["dateRanges"][0][name]) for name in ("startDate", "endDate")
        )
        rows = known[shop.clock].filter(pl.col("date").is_between(first, last))
        start, size = int(asked.get("offset", 0)), int(asked.get("limit", 10_000))
        page = rows.slice(start, size).select(
            *(_DIMENSIONS[name].alias(name) for name in dimensions),
            *(_METRICS[name][1].cast(pl.String).alias(name) for name in metrics),
        )
        body = _report(page, dimensions, metrics, rows.height)
        if asked.get("returnPropertyQuota"):
            body["propertyQuota"] = {"tokensPerDay": {"consumed": 1, "remaining": 199_000}}
        return Response(orjson.dumps(body), media_type="application/json; charset=UTF-8")

    path = "/v1beta/properties/{property}:runReport"
    return [token_route(shop), Route(path, run_report, methods=["POST"])]


def _day(shop: Shop, text: str) -> dt.date:
    return (
        shop.clock.date() - dt.timedelta(1) if text == "yesterday" else dt.date.fromisoformat(text)
    )


def _report(
    page: pl.DataFrame, dimensions: list[str], metrics: list[str], row_count: int
) -> dict[str, Any]:
    """The answer; Google leaves out lists that are empty."""
    cut = len(dimensions)
    rows = [
        {
            "dimensionValues": [{"value": value} for value in row[:cut]],
            "metricValues": [{"value": value} for value in row[cut:]],
        }
        for row in page.iter_rows()
    ]
    return {
        "dimensionHeaders": [{"name": name} for name in dimensions],
        "metricHeaders": [{"name": name, "type": _METRICS[name][0]} for name in metrics],
        **({"rows": rows} if rows else {}),
        **({"rowCount": row_count} if row_count else {}),
        "metadata": {"currencyCode": "EUR", "timeZone": "Etc/UTC"},
        "kind": "analyticsData#runReport",
    }


def _refusal(status: int, name: str, message: str) -> Response:
    return JSONResponse({"error": {"code": status, "message": message, "status": name}}, status)


def _authorised(shop: Shop, request: Request) -> Response | None:
    if has_token(shop, request):
        return None
    return _refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")


def _error(status: int) -> Response:
    if status == 429:
        return _refusal(429, "RESOURCE_EXHAUSTED", "Exhausted property tokens for a project.")
    return _refusal(status, "INTERNAL", "Internal error encountered.")


VENDOR = Vendor(
    "ga4",
    _routes,
    _authorised,
    _error,
    credentials=CREDENTIALS,
    settings={"property_id": "123456789", "token_url": "{url}/token"},
)

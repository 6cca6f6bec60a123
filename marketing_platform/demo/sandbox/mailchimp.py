"""Mailchimp: one audience, its members by their last change, and the reports of its campaigns."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._messages import happenings
from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, Slice, encode

LIST_ID = "a1b2c3d4e5"
_ISO = "%Y-%m-%dT%H:%M:%S+00:00"
_MOST = 1000


def newsletters(messages: pl.DataFrame) -> pl.DataFrame:
    """The messages of campaigns: mails that go to all at a time. A flow is none of them."""
    mails = messages.filter(channel="email")
    span = pl.col("sent_at").max() - pl.col("sent_at").min()
    return mails.filter(span.over("campaign_id") < dt.timedelta(days=1)).with_columns(
        send_time=pl.col("sent_at").min().over("campaign_id").dt.truncate("1s")
    )


def _members(facts: Facts) -> pl.DataFrame:
    def state(agreed: str, nobody: str) -> pl.Expr:
        said = pl.when(pl.col(agreed)).then(pl.lit("subscribed")).otherwise(pl.lit("unsubscribed"))
        return pl.when(pl.col(agreed).is_null()).then(pl.lit(nobody)).otherwise(said)

    address = pl.struct(
        "city", "country", addr1="street", addr2=pl.lit(""), state="region", zip="postcode"
    )
    payload = pl.struct(
        id=pl.col("email").str.to_lowercase().hash(7).cast(pl.String),
        contact_id=pl.format("contact{}", "account_id"),
        email_address="email",
        status=state("has_email_consent", "transactional"),
        merge_fields=pl.struct(
            FNAME="first_name", LNAME="last_name", PHONE="phone", ADDRESS=address
        ),
        sms_phone_number=pl.when(pl.col("has_sms_consent").is_not_null()).then("phone"),
        sms_subscription_status=state("has_sms_consent", "nonsubscribed"),
        language="language",
        timestamp_signup=pl.lit(""),
        timestamp_opt=pl.col("created_at").dt.to_string(_ISO),
        last_changed=pl.col("updated_at").dt.to_string(_ISO),
    )
    return encode(facts.accounts.select(key="account_id", updated_at="updated_at", payload=payload))


def _campaigns(facts: Facts) -> pl.DataFrame:
    rows = newsletters(facts.messages).unique("campaign_id", keep="any").sort("campaign_id")
    payload = pl.struct(
        id=pl.col("campaign_id").cast(pl.String),
        send_time=pl.col("send_time").dt.to_string(_ISO),
        settings=pl.struct(title="campaign_name", subject_line="campaign_name"),
    )
    return encode(rows.select(key="campaign_id", updated_at="send_time", payload=payload))


def _activity(facts: Facts) -> pl.DataFrame:
    """A row for each state of a recipient: what they had done until then."""
    sent = newsletters(facts.messages).select("message_id", "send_time")
    rows = (
        happenings(facts)
        .join(sent, on="message_id")
        .filter(pl.col("kind").is_in(["sent", "opened", "clicked", "bounced"]))
    )
    done = [
        pl.when(pl.col(f"{kind}_at") <= pl.col("occurred_at")).then(
            pl.struct(
                action=pl.lit(action),
                timestamp=pl.col(f"{kind}_at").dt.to_string(_ISO),
                type="bounce_type" if kind == "bounced" else pl.lit(None, pl.String),
                url="clicked_url" if kind == "clicked" else pl.lit(None, pl.String),
            )
        )
        for kind, action in (("opened", "open"), ("clicked", "click"), ("bounced", "bounce"))
    ]
    payload = pl.struct(
        *_whom(),
        list_is_active=pl.lit(value=True),
        activity=pl.concat_list(done).list.drop_nulls(),
    )
    return encode(rows.select("campaign_id", **_placed("message_id", payload)))


def _unsubscribed(facts: Facts) -> pl.DataFrame:
    rows = newsletters(facts.messages).filter(pl.col("unsubscribed_at").is_not_null())
    left = pl.col("unsubscribed_at").dt.to_string(_ISO)
    payload = pl.struct(*_whom(), timestamp=left, reason=pl.lit("None given"))
    rows = rows.with_columns(occurred_at="unsubscribed_at")
    return encode(rows.select("campaign_id", **_placed("message_id", payload)))


def _abuse_reports(facts: Facts) -> pl.DataFrame:
    rows = newsletters(facts.messages).filter(pl.col("complained_at").is_not_null())
    payload = pl.struct(
        pl.col("message_id").alias("id"), *_whom(), date=pl.col("complained_at").dt.to_string(_ISO)
    )
    rows = rows.with_columns(occurred_at="complained_at")
    return encode(rows.select(**_placed("message_id", payload)))


def _whom() -> list[pl.Expr]:
    return [
        pl.col("campaign_id").cast(pl.String),
        pl.lit(LIST_ID).alias("list_id"),
        pl.col("email").str.to_lowercase().hash(7).cast(pl.String).alias("email_id"),
        pl.col("email").alias("email_address"),
    ]


def _placed(key: str, payload: pl.Expr) -> dict[str, pl.Expr]:
    return {"key": pl.col(key), "updated_at": pl.col("occurred_at"), "payload": payload}


def _routes(shop: Shop) -> list[Route]:
    facts = shop.facts
    members, campaigns = shop.shelf(_members(facts)), shop.shelf(_campaigns(facts))
    activity, left = shop.shelf(_activity(facts)), shop.shelf(_unsubscribed(facts))
    abuse = shop.shelf(_abuse_reports(facts))

    async def show_list(request: Request) -> Response:
        stats = {"member_count": len(members)}
        return JSONResponse({"id": LIST_ID, "name": "Newsletter", "stats": stats})

    async def list_members(request: Request) -> Response:
        if request.query_params.get("status") == "archived":
            return _listed("members", Slice([], [], [], 0, has_more=False))
        return _listed("members", _slice(members, request, "last_changed"))

    async def list_campaigns(request: Request) -> Response:
        return _listed("campaigns", _slice(campaigns, request, "send_time"))

    async def list_activity(request: Request) -> Response:
        where = {"campaign_id": int(request.path_params["campaign"])}
        return _listed("emails", _slice(activity, request, order="key", where=where))

    async def list_unsubscribed(request: Request) -> Response:
        where = {"campaign_id": int(request.path_params["campaign"])}
        return _listed("unsubscribes", _slice(left, request, order="key", where=where))

    async def list_abuse(request: Request) -> Response:
        return _listed("abuse_reports", _slice(abuse, request))

    audience = f"/3.0/lists/{LIST_ID}"
    return [
        Route(audience, show_list),
        Route(f"{audience}/members", list_members),
        Route(f"{audience}/abuse-reports", list_abuse),
        Route("/3.0/campaigns", list_campaigns),
        Route("/3.0/reports/{campaign}/email-activity", list_activity),
        Route("/3.0/reports/{campaign}/unsubscribed", list_unsubscribed),
    ]


def _slice(shelf: Shelf, request: Request, moment: str = "", **chosen: Any) -> Slice:
    params = request.query_params
    first, end = params.get(f"since_{moment}"), params.get(f"before_{moment}")
    # Both ends are exclusive.
    return shelf.select(
        first=dt.datetime.fromisoformat(first) + dt.timedelta(microseconds=1) if first else None,
        end=dt.datetime.fromisoformat(end) if end else None,
        offset=int(params.get("offset", 0)),
        limit=min(int(params.get("count", 10)), _MOST),
        **chosen,
    )


def _listed(name: str, found: Slice) -> Response:
    rest = json.dumps({"list_id": LIST_ID, "total_items": found.total})[1:].encode()
    body = b'{"' + name.encode() + b'":[' + b",".join(found.payloads) + b"]," + rest
    return Response(body, media_type="application/json")


def _authorised(shop: Shop, request: Request) -> Response | None:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        _, _, key = base64.b64decode(given).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return _error(401)
    return None if kind == "Basic" and key == shop.credentials["api_key"] else _error(401)


def _error(status: int) -> Response:
    told = {"type": "about:blank", "title": f"Error {status}", "status": status, "detail": "no"}
    return JSONResponse(told, status, media_type="application/problem+json")


VENDOR = Vendor(
    "mailchimp",
    _routes,
    _authorised,
    _error,
    credentials=("api_key",),
    settings={"list_id": LIST_ID},
)

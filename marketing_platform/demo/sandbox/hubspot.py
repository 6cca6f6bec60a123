"""HubSpot: contacts, deals, tickets, owners and e-mail events, behind a private app's token.

A search knows the filters and the order that a connector needs to read what changed: `GTE` and `LT`
on the time of change, `GT` on the key, by key. Archived objects are in no search: they are listed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._messages import happenings
from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, encode

_ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"
_MOST_FOUND, _MOST_LISTED = 200, 100
_EVENTS = {
    "sent": "SENT",
    "delivered": "DELIVERED",
    "opened": "OPEN",
    "clicked": "CLICK",
    "bounced": "BOUNCE",
    "complained": "SPAMREPORT",
    "unsubscribed": "STATUSCHANGE",
}


def _iso(column: str) -> pl.Expr:
    return pl.col(column).dt.to_string(_ISO)


def _objects(frame: pl.DataFrame, key: str, changed: str, **properties: pl.Expr) -> pl.DataFrame:
    """The versions of one kind of object; every property is a text, or null."""
    common = {"hs_object_id": pl.col(key), "createdate": _iso("created_at")}
    texts = [
        value.cast(pl.String).alias(name)
        for name, value in {**common, changed: _iso("updated_at"), **properties}.items()
    ]
    payload = pl.struct(
        id=pl.col(key).cast(pl.String),
        properties=pl.struct(texts),
        createdAt=_iso("created_at"),
        updatedAt=_iso("updated_at"),
        archived="is_deleted",
        archivedAt=pl.when("is_deleted").then(_iso("updated_at")),
    )
    return encode(
        frame.select(key=key, updated_at="updated_at", is_deleted="is_deleted", payload=payload)
    )


def _contacts(facts: Facts) -> pl.DataFrame:
    names = {"firstname": "first_name", "lastname": "last_name", "hs_language": "language"}
    return _objects(
        facts.crm_contacts,
        "crm_id",
        "lastmodifieddate",
        email=pl.col("email"),
        phone=pl.col("phone"),
        country=pl.col("country"),
        address=pl.col("street"),
        city=pl.col("city"),
        zip=pl.col("postcode"),
        state=pl.col("region"),
        lifecyclestage=pl.col("lifecycle"),
        hubspot_owner_id=pl.col("owner_id"),
        hs_email_optout=~pl.col("has_email_consent"),
        hs_legal_basis=pl.when("has_email_consent").then(pl.lit("Freely given consent")),
        **{name: pl.col(column) for name, column in names.items()},
    )


def _deals(facts: Facts) -> pl.DataFrame:
    stage = pl.col("stage")
    stages = {"open": "qualifiedtobuy", "won": "closedwon", "lost": "closedlost"}
    return _objects(
        facts.deals,
        "deal_id",
        "hs_lastmodifieddate",
        dealname=pl.col("title"),
        dealstage=stage.replace_strict(stages, return_dtype=pl.String),
        amount=pl.col("amount"),
        deal_currency_code=pl.col("currency"),
        closedate=pl.col("close_date").dt.to_string("%Y-%m-%dT12:00:00.000Z"),
        hubspot_owner_id=pl.col("owner_id"),
        hs_is_closed=stage != "open",
        hs_is_closed_won=stage == "won",
    )


def _tickets(facts: Facts) -> pl.DataFrame:
    return _objects(
        facts.tickets,
        "ticket_id",
        "hs_lastmodifieddate",
        subject=pl.col("subject"),
        hs_pipeline_stage=pl.when(pl.col("status") == "closed").then(4).otherwise(1),
        hs_ticket_priority=pl.col("priority"),
        closed_date=_iso("closed_at"),
        hubspot_owner_id=pl.col("owner_id"),
    )


def _owners(facts: Facts) -> pl.DataFrame:
    payload = pl.struct(
        "email",
        id=pl.col("owner_id").cast(pl.String),
        firstName="first_name",
        lastName="last_name",
        createdAt=_iso("created_at"),
        updatedAt=_iso("updated_at"),
        archived=~pl.col("is_active"),
    )
    return encode(facts.owners.select(key="owner_id", updated_at="updated_at", payload=payload))


def _email_events(facts: Facts) -> pl.DataFrame:
    rows = happenings(facts).filter(pl.col("channel") == "email", pl.col("kind").is_in(_EVENTS))
    kind = pl.col("kind")
    status = (
        pl.when(pl.col("bounce_type") == "hard").then(pl.lit("5.1.1")).otherwise(pl.lit("4.2.2"))
    )
    sent = pl.struct(
        id=pl.format("{}-sent", "message_id"), created=pl.col("sent_at").dt.epoch("ms")
    )
    payload = pl.struct(
        id=pl.format("{}-{}", "message_id", "kind"),
        created=pl.col("occurred_at").dt.epoch("ms"),
        type=kind.replace_strict(_EVENTS, return_dtype=pl.String),
        recipient="email",
        emailCampaignId="campaign_id",
        sentBy=pl.when(kind != "sent").then(sent),
        url=pl.when(kind == "clicked").then("clicked_url"),
        status=pl.when(kind == "bounced").then(status),
        portalSubscriptionStatus=pl.when(kind == "unsubscribed").then(pl.lit("UNSUBSCRIBED")),
        filteredEvent=pl.lit(False),
    )
    key = pl.format("{}-{}", "message_id", "kind")
    return encode(rows.select(key=key, updated_at="occurred_at", payload=payload))


_KINDS: dict[str, tuple[Callable[[Facts], pl.DataFrame], str]] = {
    "contacts": (_contacts, "lastmodifieddate"),
    "deals": (_deals, "hs_lastmodifieddate"),
    "tickets": (_tickets, "hs_lastmodifieddate"),
}


class _Objects:
    """The search and the list of one kind of object."""

    def __init__(self, shop: Shop, kind: str) -> None:
        make, self._changed = _KINDS[kind]
        self._shelf: Shelf = shop.shelf(make(shop.facts))

    async def search(self, request: Request) -> Response:
        """Objects that are not archived, by key."""
        asked = orjson.loads(await request.body())
        (group,) = asked["filterGroups"]
        found = {(one["propertyName"], one["operator"]): one["value"] for one in group["filters"]}
        page = self._shelf.select(
            first=_moment(found.get((self._changed, "GTE"))),
            end=_moment(found.get((self._changed, "LT"))),
            after=int(found.get(("hs_object_id", "GT"), 0)),
            order="key",
            limit=min(int(asked.get("limit", 10)), _MOST_FOUND),
            where={"is_deleted": False},
        )
        head = b'{"total":%d,"results":[' % page.total
        return _json(head + b",".join(page.payloads) + b"]}")

    async def listed(self, request: Request) -> Response:
        """Objects that are archived, or those that are not."""
        asked = request.query_params
        page = self._shelf.select(
            after=int(asked.get("after", 0)),
            order="key",
            limit=min(int(asked.get("limit", 10)), _MOST_LISTED),
            where={"is_deleted": asked.get("archived") == "true"},
        )
        return _listing(page.payloads, str(page.keys[-1]) if page.has_more else None)


def _routes(shop: Shop) -> list[Route]:
    owners, events = shop.shelf(_owners(shop.facts)), shop.shelf(_email_events(shop.facts))

    async def account(request: Request) -> Response:
        return JSONResponse({"portalId": 62515, "timeZone": "Europe/Berlin"})

    async def list_owners(request: Request) -> Response:
        asked = request.query_params
        after = int(asked.get("after", 0))
        page = owners.select(order="key", after=after, limit=int(asked.get("limit", _MOST_LISTED)))
        return _listing(page.payloads, str(page.keys[-1]) if page.has_more else None)

    async def list_events(request: Request) -> Response:
        asked = request.query_params
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", 10))
        end = _moment(asked.get("endTimestamp"))
        page = events.select(
            first=_moment(asked.get("startTimestamp")),
            end=end + dt.timedelta(milliseconds=1) if end else None,
            offset=offset,
            limit=limit,
        )
        more = orjson.dumps({"hasMore": page.has_more, "offset": str(offset + limit)})[1:]
        return _json(b'{"events":[' + b",".join(page.payloads) + b"]," + more)

    objects = {kind: _Objects(shop, kind) for kind in _KINDS}
    return [
        Route("/account-info/2026-03/details", account),
        *(
            Route(f"/crm/objects/2026-03/{kind}/search", one.search, methods=["POST"])
            for kind, one in objects.items()
        ),
        *(Route(f"/crm/objects/2026-03/{kind}", one.listed) for kind, one in objects.items()),
        *(_associations(shop, kind) for kind in ("deals", "tickets")),
        Route("/crm/owners/2026-03", list_owners),
        Route("/email/public/v1/events", list_events),
    ]


def _associations(shop: Shop, kind: str) -> Route:
    """The contact of each deal, or of each ticket."""
    frame, key = (
        (shop.facts.deals, "deal_id") if kind == "deals" else (shop.facts.tickets, "ticket_id")
    )
    contacts = dict(frame.select(pl.col(key).cast(pl.String), "crm_id").iter_rows())

    async def read(request: Request) -> Response:
        inputs: list[dict[str, Any]] = orjson.loads(await request.body())["inputs"]
        results = [
            {
                "from": {"id": one["id"]},
                "to": [{"toObjectId": contacts[one["id"]], "associationTypes": []}],
            }
            for one in inputs
            if one["id"] in contacts
        ]
        return JSONResponse({"status": "COMPLETE", "results": results})

    return Route(f"/crm/associations/2026-03/{kind}/contacts/batch/read", read, methods=["POST"])


def _listing(payloads: list[bytes], after: str | None) -> Response:
    paging = b',"paging":{"next":{"after":"%s"}}' % after.encode() if after else b""
    return _json(b'{"results":[' + b",".join(payloads) + b"]" + paging + b"}")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _moment(milliseconds: str | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(int(milliseconds) / 1000, dt.UTC) if milliseconds else None


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("authorization")
    return None if given == f"Bearer {shop.credentials['access_token']}" else _error(401)


def _error(status: int) -> Response:
    category = {401: "INVALID_AUTHENTICATION", 429: "RATE_LIMITS"}.get(status, "INTERNAL")
    body = {"status": "error", "message": f"Status {status}.", "category": category}
    more = {"policyName": "TEN_SECONDLY_ROLLING"} if status == 429 else {}
    return JSONResponse(body | more, status)


VENDOR = Vendor(
    "hubspot", _routes, _authorised, _error, rate=(100, 10.0), credentials=("access_token",)
)

"""Shopify, back to the shop: tags, metafields, and a consent that was taken back.

https://shopify.dev/docs/api/admin-graphql. People are found by e-mail or phone; who is not a
customer of the shop is told as an error. A consent is only ever withdrawn from here, never given:
with `has_email_consent` among the attributes, false unsubscribes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import httpx
from pydantic import Field

from marketing_platform.destinations.answers import one_line, read_json
from marketing_platform.destinations.base import IDENTIFYING, Answer, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    complete,
    in_parts,
)
from marketing_platform.destinations.people import as_text, text
from marketing_platform.settings import ActivationRule
from marketing_platform.sources.oauth import TokenAuth
from marketing_platform.sources.shopify.access import ShopifyAccess

_OWN = frozenset(
    {*IDENTIFYING, "email", "phone", "first_name", "last_name", "country", "has_email_consent"}
)
# The mutation takes so many at once.
_METAFIELDS = 25


class ShopifyDestination(ShopifyAccess, HttpSettings):
    """A shop, and an app that may read and write its customers.

    Attributes go into metafields of `namespace`, as text.
    """

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email", "phone")

    api_version: str = Field(default="2026-10", pattern=r"^\d{4}-\d{2}$")
    namespace: str = Field(default="marketing", pattern=r"^[A-Za-z0-9_-]{3,64}$")
    # A customer costs 10 points to tag and one to find; the smallest shop has 2,000 at once.
    batch_size: int = Field(default=50, ge=1, le=100)
    concurrency: int = Field(default=2, ge=1, le=8)
    # It makes the changes of a call one after the other.
    timeout_seconds: float = Field(default=60.0, gt=0)

    @property
    def url(self) -> str:
        """The shop's address, or the one that stands for it."""
        return self.base_url or self.shop_url

    def make_auth(self) -> TokenAuth | None:
        """Tokens of a day, of an app that has none that stays."""
        return self.token_auth(self.url)


class Shopify(HttpDestination):
    """An audience is a tag of customers, of its own name or the segment's."""

    modes = ("audience",)
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((2, 1.0),)

    def __init__(self, name: str, settings: ShopifyDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    @property
    def base_url(self) -> str:
        """The shop."""
        return self._settings.url

    def headers(self) -> Mapping[str, str]:
        """The token that stays, of an app that has one."""
        return self._settings.headers()

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """Errors come with 200; some are not of the request."""
        if not response.is_success:
            return None
        content = read_json(response)
        if not isinstance(content, dict):
            return Answer("retry", "the answer is no JSON", may_have_arrived=True)
        for error in content.get("errors") or []:
            code = (error.get("extensions") or {}).get("code")
            if code == "THROTTLED":
                return Answer("retry", "throttled", wait_seconds=2.0, is_counted=False)
            words = one_line(str(error.get("message", "refused")))
            if code == "ACCESS_DENIED":
                return Answer("stop", f"refuses the credentials ({words})", is_counted=False)
            if code == "INTERNAL_SERVER_ERROR":
                return Answer("retry", words, may_have_arrived=True)
            return Answer("refused", words)
        return None

    def probing(self) -> Call:
        """Read something small."""
        return self._asking("query { shop { name } }", {})

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """Find the customers, then tag them, then write what is known of them."""
        found = yield from self._find(batch.rows)
        told = {
            row.key: RowAnswer("error", "no customer of the shop has this e-mail or phone")
            for row in batch.rows
            if row.key not in found and row.operation != "remove"
        }
        known = [row for row in batch.rows if row.key in found]
        if not known:
            return complete(batch.rows, told)
        told |= yield from self._tag(known, found, rule.audience or rule.label)
        stays = [row for row in known if row.operation != "remove" and row.key not in told]
        told |= yield from self._describe(stays, found)
        yield from self._forget(stays, found)
        told |= yield from self._unsubscribe(stays, found)
        return complete(batch.rows, told)

    def _find(self, rows: Sequence[Row]) -> Any:
        """The id of each row's customer, by key."""
        asked, variables = [], {}
        for place, row in enumerate(rows):
            field = "emailAddress" if text(row, "email") else "phoneNumber"
            who = text(row, "email") or text(row, "phone")
            if who:
                variables[f"who{place}"] = {field: who}
                asked.append(f"c{place}: customerByIdentifier(identifier: $who{place}) {{ id }}")
        if not asked:
            return {}
        kinds = ", ".join(f"${name}: CustomerIdentifierInput!" for name in variables)
        data = yield from self._ask(f"query find({kinds}) {{ {' '.join(asked)} }}", variables)
        return {
            row.key: data[f"c{place}"]["id"]
            for place, row in enumerate(rows)
            if data.get(f"c{place}")
        }

    def _tag(self, rows: Sequence[Row], ids: Mapping[str, str], tag: str) -> Any:
        asked: list[str] = []
        variables: dict[str, Any] = {"tags": [tag]}
        for place, row in enumerate(rows):
            verb = "tagsRemove" if row.operation == "remove" else "tagsAdd"
            variables[f"id{place}"] = ids[row.key]
            asked.append(
                f"c{place}: {verb}(id: $id{place}, tags: $tags) {{ userErrors {{ message }} }}"
            )
        kinds = "".join(f", $id{place}: ID!" for place in range(len(rows)))
        query = f"mutation tag($tags: [String!]!{kinds}) {{ {' '.join(asked)} }}"
        data = yield from self._ask(query, variables)
        return _user_errors(rows, data)

    def _describe(self, rows: Sequence[Row], ids: Mapping[str, str]) -> Any:
        fields = [
            {
                "ownerId": ids[row.key],
                "namespace": self._settings.namespace,
                "key": name,
                "type": "single_line_text_field",
                "value": " ".join(as_text(value).split()),
            }
            for row in rows
            for name, value in row.payload.items()
            if name not in _OWN and value not in (None, "")
        ]
        owner = {ids[row.key]: row for row in rows}
        told: dict[str, RowAnswer] = {}
        query = (
            "mutation describe($fields: [MetafieldsSetInput!]!)"
            " { metafieldsSet(metafields: $fields) { userErrors { field message } } }"
        )
        waiting = in_parts(fields, _METAFIELDS)
        while waiting:
            # It writes all of a call or none, so that it is asked again without what it names.
            part = [one for one in waiting.pop(0) if owner[one["ownerId"]].key not in told]
            data = (yield from self._ask(query, {"fields": part})) if part else {}
            errors = (data.get("metafieldsSet") or {}).get("userErrors", [])
            for error in errors:
                place = [int(step) for step in error.get("field") or [] if str(step).isdigit()]
                for field in (part[place[0] : place[0] + 1] if place else ()) or part:
                    row = owner[field["ownerId"]]
                    told[row.key] = RowAnswer("error", one_line(str(error.get("message"))))
            if errors:
                waiting.insert(0, part)
        return told

    def _forget(self, rows: Sequence[Row], ids: Mapping[str, str]) -> Any:
        """Delete the metafields of what was told and is not known any more: none can be blank."""
        gone = [
            {"ownerId": ids[row.key], "namespace": self._settings.namespace, "key": name}
            for row in rows
            for name in sorted(row.cleared - _OWN)
        ]
        query = (
            "mutation forget($gone: [MetafieldIdentifierInput!]!)"
            " { metafieldsDelete(metafields: $gone) { userErrors { message } } }"
        )
        for part in in_parts(gone, _METAFIELDS):
            yield from self._ask(query, {"gone": part})

    def _unsubscribe(self, rows: Sequence[Row], ids: Mapping[str, str]) -> Any:
        gone = [row for row in rows if row.payload.get("has_email_consent") is False]
        if not gone:
            return {}
        asked, variables = [], {}
        for place, row in enumerate(gone):
            variables[f"in{place}"] = {
                "customerId": ids[row.key],
                "emailMarketingConsent": {"marketingState": "UNSUBSCRIBED"},
            }
            asked.append(
                f"c{place}: customerEmailMarketingConsentUpdate(input: $in{place})"
                " { userErrors { message } }"
            )
        kinds = ", ".join(
            f"${name}: CustomerEmailMarketingConsentUpdateInput!" for name in variables
        )
        query = f"mutation leave({kinds}) {{ {' '.join(asked)} }}"
        data = yield from self._ask(query, variables)
        return _user_errors(gone, data)

    def _asking(self, query: str, variables: Mapping[str, Any]) -> Call:
        path = f"/admin/api/{self._settings.api_version}/graphql.json"
        return Call(path, {"query": query, "variables": dict(variables)})

    def _ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        response = yield self._asking(query, variables)
        return read_json(response).get("data") or {}


def _user_errors(rows: Sequence[Row], data: Mapping[str, Any]) -> dict[str, RowAnswer]:
    told = {}
    for place, row in enumerate(rows):
        found = (data.get(f"c{place}") or {}).get("userErrors") or []
        if found:
            told[row.key] = RowAnswer("error", one_line(str(found[0].get("message", "refused"))))
    return told


SETTINGS = ShopifyDestination
DESTINATION = Shopify

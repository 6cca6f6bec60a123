"""WooCommerce, back to the shop: meta data of customers.

https://woocommerce.github.io/woocommerce-rest-api-docs, v3. A customer is found by e-mail, a call
each, and written with the others of its batch, at most 100 a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from marketing_platform.destinations.answers import one_line, read_json
from marketing_platform.destinations.base import IDENTIFYING, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    complete,
)
from marketing_platform.destinations.people import as_text, flag_name, text, worth_telling
from marketing_platform.settings import ActivationRule
from marketing_platform.sources.woocommerce.access import WooCommerceAccess

_OWN = frozenset({*IDENTIFYING, "email", "phone", "first_name", "last_name", "country"})


class WooCommerceDestination(WooCommerceAccess, HttpSettings):
    """`base_url` is the shop's site; the key may read and write."""

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    base_url: str = Field(repr=False, min_length=1)
    batch_size: int = Field(default=50, ge=1, le=100)
    # It writes one customer after the other, on the machine of a shop.
    timeout_seconds: float = Field(default=120.0, gt=0)


class WooCommerce(HttpDestination):
    """An audience is the meta key that it names, or `segment_<name>`: `yes` or `no`."""

    modes = ("audience",)

    def __init__(self, name: str, settings: WooCommerceDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """Key and secret."""
        return self._settings.headers()

    def probing(self) -> Call:
        """Read something small."""
        return Call(
            "/wp-json/wc/v3/customers",
            method="GET",
            params={"per_page": 1, **self._settings.params()},
        )

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """Find each customer, then write all of them."""
        told: dict[str, RowAnswer] = {}
        updates, asked = [], []
        keys = self._settings.params()
        for row in batch.rows:
            found: list[dict[str, Any]] = []
            # A blank e-mail is no limit: all customers of the shop would be found.
            if email := text(row, "email"):
                params = {"email": email, "role": "all", **keys}
                path = "/wp-json/wc/v3/customers"
                found = read_json((yield Call(path, method="GET", params=params))) or []
            if found:
                updates.append({"id": found[0]["id"], "meta_data": _meta(row, rule)})
                asked.append(row)
            elif row.operation != "remove":
                told[row.key] = RowAnswer("error", "no customer of the shop has this e-mail")
        if updates:
            path = "/wp-json/wc/v3/customers/batch"
            content = read_json((yield Call(path, {"update": updates}, params=keys)))
            for row, result in zip(asked, content.get("update", []), strict=False):
                if error := result.get("error"):
                    told[row.key] = RowAnswer("error", one_line(str(error.get("message"))))
        return complete(batch.rows, told)


def _meta(row: Row, rule: ActivationRule) -> list[dict[str, Any]]:
    flag = rule.audience or flag_name(rule.label)
    is_leaving = row.operation == "remove"
    # Of who leaves the shop needs no more: what it was told last may be wrong by now.
    told = {} if is_leaving else worth_telling(row)
    values = {name: value for name, value in told.items() if name not in _OWN}
    values[flag] = "no" if is_leaving else "yes"
    return [{"key": name, "value": as_text(value)} for name, value in values.items()]


SETTINGS = WooCommerceDestination
DESTINATION = WooCommerce

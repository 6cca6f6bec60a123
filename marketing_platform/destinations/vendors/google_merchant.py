"""Google Merchant Center, by the Merchant API: the offers of a product feed, a call each.

https://developers.google.com/merchant/api/reference/rest/products_v1/accounts.productInputs. An
offer that comes again takes the place of the one before. Nobody is written to: no rule of the
activation may name it, only a feed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field

from marketing_platform.destinations.base import Batch, Place
from marketing_platform.destinations.http import Call, Exchange, HttpDestination, HttpSettings
from marketing_platform.destinations.people import known
from marketing_platform.settings import ActivationRule, Mode
from marketing_platform.settings.group import Digits
from marketing_platform.sources.google_access import GoogleAccess
from marketing_platform.sources.oauth import TokenAuth

_SCOPE = "https://www.googleapis.com/auth/content"


class GoogleMerchantDestination(GoogleAccess, HttpSettings):
    """`account_id` of Merchant Center, and a data source of it that is filled by the API.

    `language` (ISO 639-1) and `feed_label` (mostly the country) are those of the data source.
    """

    account_id: Digits
    data_source_id: Digits
    language: str = Field(pattern=r"^[a-z]{2}$")
    feed_label: str = Field(pattern=r"^[A-Z0-9_-]{1,20}$")
    base_url: str = Field(default="https://merchantapi.googleapis.com", repr=False)
    batch_size: Literal[1] = 1
    concurrency: int = Field(default=4, ge=1, le=16)
    timeout_seconds: float = Field(default=30.0, gt=0)

    def make_auth(self) -> TokenAuth:
        """Google's tokens."""
        return self.auth(_SCOPE)


class GoogleMerchant(HttpDestination):
    """A row is an offer, as a product feed of Google's names its parts."""

    modes: ClassVar[tuple[Mode, ...]] = ()
    needs_rule = False
    # Google publishes no limit; 429 is waited for.
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((10, 1.0),)

    def __init__(self, name: str, settings: GoogleMerchantDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for the one offer."""
        [row] = batch.rows
        account = f"accounts/{self._settings.account_id}"
        source = {"dataSource": f"{account}/dataSources/{self._settings.data_source_id}"}
        path = f"/products/v1/{account}/productInputs"
        if row.operation == "remove":
            # Google has forgotten it already: so it should be.
            name = f"{path}/{self._name(row.customer_id)}"
            yield Call(name, method="DELETE", params=source, reads=frozenset({404}))
        else:
            yield Call(f"{path}:insert", self._product(row.payload), params=source)
        return {}

    def _name(self, offer_id: str) -> str:
        """The name of an offer as it stands in a path, whatever its characters."""
        whole = f"{self._settings.language}~{self._settings.feed_label}~{offer_id}"
        return base64.urlsafe_b64encode(whole.encode()).decode().rstrip("=")

    def _product(self, offer: Mapping[str, Any]) -> dict[str, Any]:
        amount, _, currency = str(offer["price"]).rpartition(" ")
        attributes = {
            "title": offer["title"],
            "description": offer["description"],
            "link": offer["link"],
            "imageLink": offer["image_link"],
            "price": {
                "amountMicros": str(int(Decimal(amount) * 1_000_000)),
                "currencyCode": currency,
            },
            "availability": str(offer["availability"]).upper(),
            "condition": str(offer["condition"]).upper(),
            "brand": offer["brand"],
            "gtins": [offer["gtin"]] if offer["gtin"] else None,
            "mpn": offer["mpn"],
            "identifierExists": False if offer["identifier_exists"] == "no" else None,
            "itemGroupId": offer["item_group_id"],
            "productTypes": [offer["product_type"]] if offer["product_type"] else None,
        }
        return {
            "offerId": offer["id"],
            "contentLanguage": self._settings.language,
            "feedLabel": self._settings.feed_label,
            "productAttributes": known(attributes),
        }


SETTINGS = GoogleMerchantDestination
DESTINATION = GoogleMerchant

"""Microsoft Ads: customer lists.

https://learn.microsoft.com/advertising/campaign-management-service/applycustomerlistuserdata, REST
v13. E-mails go hashed (SHA-256, hex); the list is made, and its terms accepted, in the UI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import one_line, read_json, stop
from marketing_platform.destinations.base import Answer, Audience, Batch, Place, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    complete,
    plain,
)
from marketing_platform.destinations.people import hashed, lower, text
from marketing_platform.settings import ActivationRule
from marketing_platform.settings.group import Digits
from marketing_platform.sources.oauth import OAuth2, TokenAuth

# Call rate exceeded; too much under way.
_LIMITS = frozenset({117, 207})
# Wrong credentials, no access to the account, a token that has ended.
_NOT_ALLOWED = frozenset({105, 106, 109})
_REST_SECONDS = 60.0


class MicrosoftAdsDestination(HttpSettings):
    """The app's client and a refresh token; account and customer as their numbers.

    A list forgets members after its membership duration, which is 30 days unless another one was
    chosen in the UI, hence `refresh_days`.
    """

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    developer_token: SecretStr
    client_id: str
    client_secret: SecretStr | None = None
    refresh_token: SecretStr
    account_id: Digits
    customer_id: Digits
    refresh_days: int | None = Field(default=28, ge=1)
    token_url: str = "https://login.microsoftonline.com/common/oauth2/v2.0/token"  # noqa: S105
    base_url: str = Field(default="https://campaign.api.bingads.microsoft.com", repr=False)
    # The vendor publishes no limit.
    batch_size: int = Field(default=1000, ge=1, le=10_000)
    concurrency: int = Field(default=1, ge=1, le=4)
    timeout_seconds: float = Field(default=60.0, gt=0)
    requires: tuple[Literal["email", "phone"], ...] = ("email",)

    def make_auth(self) -> TokenAuth:
        """Microsoft's tokens."""
        return OAuth2(
            self.token_url,
            self.client_id,
            self.client_secret,
            self.refresh_token,
            scope="https://ads.microsoft.com/msads.manage offline_access",
        )

    def takes(self, attribute: str) -> bool:
        """What people are matched by; nothing else is told."""
        return attribute == "email"


class MicrosoftAds(HttpDestination):
    """An audience is a customer list, by its number."""

    modes = ("audience",)
    audience = Audience("the number of a customer list", is_needed=True)

    def __init__(self, name: str, settings: MicrosoftAdsDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """What names the account."""
        return {
            "DeveloperToken": plain(self._settings.developer_token),
            "CustomerAccountId": self._settings.account_id,
            "CustomerId": self._settings.customer_id,
        }

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """Microsoft answers 400 for a limit and for a token, and says which by a code."""
        content = read_json(response)
        if response.is_success or not isinstance(content, dict):
            return None
        for error in [*(content.get("Errors") or ()), *(content.get("OperationErrors") or ())]:
            words = one_line(f"{error.get('ErrorCode')}: {error.get('Message')}")
            if error.get("Code") in _LIMITS:
                return Answer("retry", words, wait_seconds=_REST_SECONDS, is_counted=False)
            if error.get("Code") in _NOT_ALLOWED:
                return stop(f"refuses the credentials ({words})")
        return None

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for all rows: either all enter or all leave."""
        is_removal = batch.rows[0].operation == "remove"
        content = {
            "CustomerListUserData": {
                "ActionType": "Remove" if is_removal else "Add",
                "AudienceId": rule.audience,
                "CustomerListItemSubType": "Email",
                "CustomerListItems": [hashed(text(row, "email"), lower) for row in batch.rows],
            }
        }
        path = "/CampaignManagement/v13/CustomerListUserData/Apply"
        answer = read_json((yield Call(path, content))) or {}
        told = {}
        for error in answer.get("PartialErrors") or []:
            place = error.get("Index")
            if isinstance(place, int) and 0 <= place < len(batch.rows):
                words = one_line(f"{error.get('ErrorCode')}: {error.get('Message')}")
                told[batch.rows[place].key] = RowAnswer("error", words)
        return complete(batch.rows, told)


SETTINGS = MicrosoftAdsDestination
DESTINATION = MicrosoftAds

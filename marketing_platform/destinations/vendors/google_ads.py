"""Google: customer match by the Data Manager API.

https://developers.google.com/data-manager/api. New tools may not upload by the Google Ads API any
more. People go hashed (SHA-256, hex), at most 10,000 a call; Google matches them later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from marketing_platform.destinations.answers import only_tried, read_json
from marketing_platform.destinations.base import Audience, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Unusual,
)
from marketing_platform.destinations.people import google_email, hashed, lower, text, without_blanks
from marketing_platform.settings import ActivationRule
from marketing_platform.settings.group import Digits
from marketing_platform.sources.google_access import GoogleAccess
from marketing_platform.sources.oauth import TokenAuth

_SCOPE = "https://www.googleapis.com/auth/datamanager"
_MATCHED = frozenset({"email", "phone", "first_name", "last_name", "postcode", "country"})


class GoogleAdsDestination(GoogleAccess, HttpSettings):
    """`account_id` is the Google Ads account, without dashes.

    `consent_given` says that the people have agreed to ads being made personal; Google wants it
    said for Europe.
    Google forgets members after the list's membership duration, 540 days at most, and advises to
    tell them again within 90; a list of a shorter one needs shorter `refresh_days`.
    With `validate_only` Google checks what it is asked, and nobody counts as told.
    """

    known_by: ClassVar[tuple[str, ...]] = ("email", "phone")
    asks_for: ClassVar[tuple[str, ...]] = ("email", "phone", "postcode")

    account_id: Digits
    login_account_id: Digits | None = None
    consent_given: bool = False
    validate_only: bool = False
    refresh_days: int | None = Field(default=90, ge=1)
    base_url: str = Field(default="https://datamanager.googleapis.com", repr=False)
    batch_size: int = Field(default=5000, ge=1, le=10_000)
    concurrency: int = Field(default=2, ge=1, le=8)
    timeout_seconds: float = Field(default=60.0, gt=0)

    def make_auth(self) -> TokenAuth:
        """Google's tokens."""
        return self.auth(_SCOPE)

    def takes(self, attribute: str) -> bool:
        """What people are matched by; nothing else is told."""
        return attribute in _MATCHED


class GoogleAds(HttpDestination):
    """An audience is a user list, by its number."""

    modes = ("audience",)
    audience = Audience("the number of a user list", is_needed=True)
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((300, 60.0),)

    def __init__(self, name: str, settings: GoogleAdsDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for all rows: either all enter or all leave."""
        rows = [row for row in batch.rows if identifiers(row)]
        told = {
            row.key: RowAnswer("error", "neither e-mail, phone nor name and postcode to match by")
            for row in batch.rows
            if not identifiers(row)
        }
        if not rows:
            return told
        is_removal = rows[0].operation == "remove"
        content: dict[str, Any] = {
            "destinations": [self._destination(rule)],
            "audienceMembers": [
                {"userData": {"userIdentifiers": identifiers(row)}} for row in rows
            ],
            "encoding": "HEX",
            "validateOnly": self._settings.validate_only,
        }
        if not is_removal:
            terms = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
            granted = (
                "CONSENT_GRANTED" if self._settings.consent_given else "CONSENT_STATUS_UNSPECIFIED"
            )
            content["termsOfService"] = terms
            content["consent"] = {"adUserData": granted, "adPersonalization": granted}
        verb = "remove" if is_removal else "ingest"
        answer = read_json((yield Call(f"/v1/audienceMembers:{verb}", content))) or {}
        if self._settings.validate_only:
            raise Unusual(only_tried("validate_only"))
        taken = {row.key: RowAnswer("ok", vendor_id=answer.get("requestId")) for row in rows}
        return {**told, **taken}

    def _destination(self, rule: ActivationRule) -> dict[str, Any]:
        kind: Literal["GOOGLE_ADS"] = "GOOGLE_ADS"
        account = {"accountType": kind, "accountId": self._settings.account_id}
        login = self._settings.login_account_id
        through = {"loginAccount": {"accountType": kind, "accountId": login}} if login else {}
        return {"operatingAccount": account, **through, "productDestinationId": rule.audience}


def identifiers(row: Row) -> list[dict[str, Any]]:
    """What Google may know a person by, hashed; country and postcode stay plain, as it asks."""
    found: list[dict[str, Any]] = []
    emails = [hashed(text(row, "email"), google_email)]
    if row.operation == "remove":
        # Whom it was told of before Gmail's dots were left out leaves too.
        emails.append(hashed(text(row, "email"), without_blanks))
    found += [{"emailAddress": email} for email in dict.fromkeys(emails) if email]
    if phone := hashed(text(row, "phone"), without_blanks):
        found.append({"phoneNumber": phone})
    address: Mapping[str, str] = {
        "givenName": hashed(text(row, "first_name"), lower),
        "familyName": hashed(text(row, "last_name"), lower),
        "regionCode": text(row, "country").upper(),
        "postalCode": text(row, "postcode").strip(),
    }
    if all(address.values()):
        found.append({"address": dict(address)})
    return found


SETTINGS = GoogleAdsDestination
DESTINATION = GoogleAds

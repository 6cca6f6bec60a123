"""Meta: custom audiences.

https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences, v26.0. People
go hashed (SHA-256) and normalised as Meta's own library does; at most 10,000 a call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import httpx
from pydantic import Field

from marketing_platform.destinations.answers import one_line, read_json, stop
from marketing_platform.destinations.base import Answer, Audience, Batch, Place, Row
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    errors,
)
from marketing_platform.destinations.people import digits, hashed, letters, lower, text
from marketing_platform.settings import ActivationRule
from marketing_platform.sources.meta_ads.access import MetaAccess

_SCHEMA = (
    "EXTERN_ID",
    "EMAIL",
    "PHONE",
    "FN",
    "LN",
    "CT",
    "ST",
    "ZIP",
    "COUNTRY",
    "DOBY",
    "DOBM",
    "DOBD",
)
# Too many calls: for the app, the user, the account, and by business use case.
_LIMITS = frozenset({4, 17, 32, 613, *range(80000, 80015)})
_TOKEN = frozenset({102, 190})
# No permission for this; an audience that is not there, or belongs to somebody else.
_NOT_ALLOWED = frozenset({10, *range(200, 300)})
_NO_AUDIENCE = (100, 33)
# Those who leave are too many for the audience: the permission is there.
_TOO_FEW_LEFT = 1870047
# Meta's own trouble, which passes.
_PASSING = frozenset({1, 2})

_MATCHED = frozenset(
    {
        "email",
        "phone",
        "first_name",
        "last_name",
        "city",
        "region",
        "postcode",
        "country",
        "birth_date",
    }
)


class MetaAdsDestination(MetaAccess, HttpSettings):
    """A system user's token with ads_management; audiences are made in Ads Manager."""

    known_by: ClassVar[tuple[str, ...]] = ("email", "phone")
    asks_for: ClassVar[tuple[str, ...]] = ("email", "phone")

    api_version: str = Field(default="v26.0", pattern=r"^v\d+\.\d$")
    base_url: str = Field(default="https://graph.facebook.com", repr=False)
    batch_size: int = Field(default=5000, ge=1, le=10_000)
    concurrency: int = Field(default=1, ge=1, le=4)
    timeout_seconds: float = Field(default=60.0, gt=0)

    def takes(self, attribute: str) -> bool:
        """What people are matched by; nothing else is told."""
        return attribute in _MATCHED


class MetaAds(HttpDestination):
    """An audience is a custom audience, by its number."""

    modes = ("audience",)
    audience = Audience("the number of a custom audience", is_needed=True)

    def __init__(self, name: str, settings: MetaAdsDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The token."""
        return self._settings.headers()

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """Meta answers 400 for limits, tokens and its own trouble, and says which by a code."""
        if response.is_success:
            return None
        content = read_json(response)
        error = content.get("error") if isinstance(content, dict) else None
        if not isinstance(error, dict):
            return None
        # The message is often "Invalid parameter"; what people are meant to read says which.
        said = (error.get("error_user_title"), error.get("error_user_msg"))
        told = ": ".join(str(part) for part in said if part) or error.get("message", "")
        code, subcode = error.get("code"), error.get("error_subcode")
        words = one_line(f"{code} {told}")
        if code in _LIMITS:
            return Answer("retry", words, wait_seconds=_regained(response), is_counted=False)
        if code in _TOKEN:
            return Answer("stop", f"refuses the credentials ({words})", is_counted=False)
        is_barred = code in _NOT_ALLOWED and subcode != _TOO_FEW_LEFT
        if is_barred or (code, subcode) == _NO_AUDIENCE:
            barred = stop(f"does not let us change the audience ({words})")
            return replace(barred, is_of_audience=True)
        if code in _PASSING or error.get("is_transient"):
            return Answer("retry", words, may_have_arrived=True)
        return Answer("refused", words) if response.status_code == 400 else None

    def probing(self) -> Call:
        """Read something small."""
        return Call(
            f"/{self._settings.api_version}/me", method="GET", params=self._settings.params()
        )

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for all rows: either all enter or all leave."""
        rows = batch.rows
        content = {"payload": {"schema": list(_SCHEMA), "data": [hashes(row) for row in rows]}}
        is_removal = rows[0].operation == "remove"
        path = f"/{self._settings.api_version}/{rule.audience}/users"
        call = Call(
            path, content, "DELETE" if is_removal else "POST", params=self._settings.params()
        )
        answer = read_json((yield call)) or {}
        if answer.get("num_invalid_entries") and len(rows) == 1:
            # Of more than one it does not say which; they stay unmatched, as any stranger does.
            return errors(rows, "not a valid entry")
        return {}


def hashes(row: Row) -> list[str]:
    """A row of the payload; what is not known is empty, so that the columns stay in place."""
    year, month, day = [*text(row, "birth_date").split("-"), "", "", ""][:3]
    return [
        row.customer_id,
        hashed(text(row, "email"), lower),
        hashed(text(row, "phone"), digits),
        hashed(text(row, "first_name"), lower),
        hashed(text(row, "last_name"), lower),
        hashed(text(row, "city"), letters),
        hashed(text(row, "region"), letters),
        hashed(text(row, "postcode"), lambda zip_code: _zip(zip_code, text(row, "country"))),
        hashed(text(row, "country"), lower),
        hashed(year, lower),
        hashed(month, lower),
        hashed(day, lower),
    ]


def _zip(postcode: str, country: str) -> str:
    """Without blanks and in small letters; of the US only what stands before the dash."""
    bare = "".join(postcode.lower().split())
    return bare.partition("-")[0] if country.upper() == "US" else bare


def _regained(response: httpx.Response) -> float | None:
    """The seconds until the account may call again, as a header of Meta says in minutes."""
    try:
        usage: Any = json.loads(response.headers.get("X-Business-Use-Case-Usage", ""))
        minutes = [
            float(one.get("estimated_time_to_regain_access", 0))
            for of_account in usage.values()
            for one in of_account
        ]
    except (ValueError, AttributeError, TypeError):
        return None
    return max(minutes, default=0.0) * 60 or None


SETTINGS = MetaAdsDestination
DESTINATION = MetaAds

"""Meta Ads (Facebook, Instagram): insights of campaigns, ad sets and ads by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from pydantic import Field, field_validator

from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import date, ident, integer, number, text
from marketing_platform.sources.meta_ads.access import MetaAccess
from marketing_platform.sources.paging import Cursor, Rest, find
from marketing_platform.sources.prepared import Prepared, PreparedSettings, Status
from marketing_platform.sources.restated import restated
from marketing_platform.sources.stream import Checkpoint, Items, Page, Stream, Walk, Window
from marketing_platform.sources.system import Api, System, SystemSettings

# Purchases are added to the day of the click or view, up to so many days later.
_RESTATED_DAYS = 28
# Errors that say "slow down", with status 400: the app's, the user's, the page's and the account's
# limits. Those of single products have numbers of their own from 80000 on.
_THROTTLED = {4, 17, 32, 613, *range(80000, 80015)}
# What may have become of a campaign, an ad set or an ad (`effective_status`), and of one of them.
_STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED", "IN_PROCESS", "WITH_ISSUES")
_STATUSES_BY_LEVEL: Mapping[str, tuple[str, ...]] = {
    "campaign": (),
    "adset": ("CAMPAIGN_PAUSED",),
    "ad": (
        *("CAMPAIGN_PAUSED", "ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED"),
        "PENDING_BILLING_INFO",
    ),
}
_USAGE_HEADERS = ("x-business-use-case-usage", "x-ad-account-usage")
_MOMENT_SECONDS = 5.0


class MetaAdsSettings(MetaAccess, PreparedSettings):
    """One ad account.

    Up to `direct_days` are asked for directly; longer windows through reports that Meta prepares.
    """

    base_url: str = "https://graph.facebook.com"
    version: str = Field(default="v26.0", pattern=r"^v\d+\.\d+$")
    account_id: str
    direct_days: int = Field(default=3, ge=0)
    page_size: int = Field(default=500, ge=1, le=1000)
    look_back_days: int = Field(default=_RESTATED_DAYS, ge=1, le=365)

    @field_validator("account_id", mode="before")
    @classmethod
    def _digits(cls, written: Any) -> str:
        """An account as Meta writes it, `act_123`, without the prefix."""
        digits = str(written).removeprefix("act_")
        if not digits.isdecimal():
            raise ValueError("not a Meta ad account like act_123456")
        return digits


def _api(settings: MetaAdsSettings) -> Api:
    return Api(
        f"{settings.base_url}/{settings.version}",
        headers=settings.headers(),
        params=settings.params(),
        pause=lambda answer: _pause(answer, settings.throttled_seconds),
    )


def _pause(answer: Answer, otherwise: float) -> float | None:
    """Seconds until Meta answers again: by its usage headers, `otherwise` where they are silent."""
    error = find(answer.body, "$.error")
    if not isinstance(error, Mapping):
        return None
    if error.get("code") in _THROTTLED:
        return max(_seconds_to_regain(answer.headers), default=0.0) or otherwise
    is_refusal = answer.status < 500
    return _MOMENT_SECONDS if is_refusal and error.get("is_transient") else None


def _seconds_to_regain(headers: httpx.Headers) -> Iterator[float]:
    for header in _USAGE_HEADERS:
        try:
            usage = orjson.loads(headers.get(header, "{}"))
        except orjson.JSONDecodeError:
            continue
        if not isinstance(usage, Mapping):
            continue
        yield float(usage.get("reset_time_duration") or 0)
        for limits in usage.values():
            for limit in limits if isinstance(limits, list) else ():
                yield 60.0 * (limit.get("estimated_time_to_regain_access") or 0)


def _probe(client: Client, settings: MetaAdsSettings) -> str:
    fields = {"fields": "name,currency,timezone_name"}
    account = client.send(Request(f"/act_{settings.account_id}", fields)).body or {}
    return ", ".join(
        str(account[key]) for key in ("name", "currency", "timezone_name") if account.get(key)
    )


def _of_any_status(level: str) -> dict[str, Any]:
    """A condition for all of a level: Meta leaves out what was deleted unless it is asked for."""
    statuses = (*_STATUSES, *_STATUSES_BY_LEVEL[level])
    return {"field": f"{level}.effective_status", "operator": "IN", "value": statuses}


@dataclass(frozen=True)
class _Report:
    """The insights of one level as a report that Meta prepares."""

    level: str
    columns: tuple[str, ...]

    def question(self, settings: MetaAdsSettings, first: dt.date, last: dt.date) -> dict[str, str]:
        days = {"since": first.isoformat(), "until": last.isoformat()}
        return {
            "level": self.level,
            "fields": ",".join((*self.columns, *_FIGURES)),
            "time_range": orjson.dumps(days).decode(),
            "time_increment": "1",
            "filtering": orjson.dumps([_of_any_status(self.level)]).decode(),
        }

    def asking(self, settings: MetaAdsSettings, first: dt.date, last: dt.date) -> Request:
        question = self.question(settings, first, last)
        return Request(f"/act_{settings.account_id}/insights", method="POST", form=question)

    def key(self, answer: Answer) -> str:
        return str(find(answer.body, "$.report_run_id") or "")

    def polling(self, settings: MetaAdsSettings, key: str) -> Request:
        return Request(f"/{key}", {"fields": "async_status,async_percent_completion"})

    def status(self, answer: Answer) -> Status:
        status = find(answer.body, "$.async_status")
        if status in ("Job Failed", "Job Skipped"):
            return "failed"
        # Rows may be missing while the percentage is still below 100.
        is_whole = find(answer.body, "$.async_percent_completion") == 100
        return "ready" if status == "Job Completed" and is_whole else "preparing"

    def reading(
        self,
        client: Client,
        settings: MetaAdsSettings,
        key: str,
        polled: Answer,
        place: Mapping[str, Any],
    ) -> Iterator[tuple[Page, Mapping[str, Any]]]:
        size = {"limit": str(settings.page_size)}
        rest = Rest(lambda *_: Request(f"/{key}/insights", size), "$.data", _AFTER)
        window = Window(dt.datetime.min, dt.datetime.min)
        for page, state in rest.pages(client, settings, window, place or None):
            yield page, state or {}


@dataclass(frozen=True)
class _Insights:
    """The walk of one level: directly where the window is short, else through reports."""

    report: _Report

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page, with where to go on after it."""
        assert isinstance(settings, MetaAdsSettings)  # noqa: S101 - tells the type checker
        is_long = (window.last_date - window.first_date).days >= settings.direct_days
        walk: Walk = Prepared(self.report) if is_long else Rest(self._first, "$.data", _AFTER)
        yield from walk.pages(client, settings, window, checkpoint)

    def _first(self, settings: MetaAdsSettings, window: Window) -> Request:
        question = self.report.question(settings, window.first_date, window.last_date)
        size = {"limit": str(settings.page_size)}
        return Request(f"/act_{settings.account_id}/insights", {**question, **size})


# The address of the next page would hold the token.
_AFTER = Cursor("after", "$.paging.cursors.after", has_more="$.paging.next")
_FIGURES = ("impressions", "inline_link_clicks", "spend", "actions", "action_values")
_CAMPAIGN = ("account_currency", "campaign_id", "campaign_name")
_AD_SET = (*_CAMPAIGN, "adset_id", "adset_name")
_AD = (*_AD_SET, "ad_id", "ad_name")


def _stream(name: str, level: str, columns: tuple[str, ...], key: str) -> Stream:
    """Insights of one level: a record is a day of a campaign, ad set or ad."""
    return Stream(
        name,
        _Insights(_Report(level, columns)),
        updated_at=date("performance_date", "$.date_start"),
        record_keys=("$.date_start", key),
        fields=(
            date("performance_date", "$.date_start"),
            text("currency", "$.account_currency"),
            ident("campaign_id", "$.campaign_id"),
            text("campaign_name", "$.campaign_name"),
            ident("ad_set_id", "$.adset_id"),
            text("ad_set_name", "$.adset_name"),
            ident("ad_id", "$.ad_id"),
            text("ad_name", "$.ad_name"),
            integer("impressions", "$.impressions"),
            integer("clicks", "$.inline_link_clicks"),
            number("spend", "$.spend"),
        ),
        items=(
            _actions(f"{name.removesuffix('s')}_actions", "$.actions"),
            _actions(f"{name.removesuffix('s')}_action_values", "$.action_values"),
        ),
        reads="report",
        look_back_days=_RESTATED_DAYS,
    )


def _actions(name: str, path: str) -> Items:
    """What people did after an ad, or what it was worth: a row per kind."""
    fields = (text("action_type", "$.action_type"), number("value", "$.value"))
    return Items(name, (path,), fields, record_key="$.action_type")


_STREAMS = (
    _stream("campaigns", "campaign", _CAMPAIGN, "$.campaign_id"),
    _stream("ad_sets", "adset", _AD_SET, "$.adset_id"),
    _stream("ads", "ad", _AD, "$.ad_id"),
)

SYSTEM = System(
    "meta_ads",
    "Meta Ads",
    MetaAdsSettings,
    streams=_STREAMS,
    streams_of=restated(_STREAMS),
    api=_api,
    probe=_probe,
)

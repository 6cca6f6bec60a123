"""What ad platforms report by day and ad, and the messages that were sent to people."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.ads import ad_rows
from marketing_platform.demo.drawing.shared import MONEY, NO_MOMENT, amounts, moments
from marketing_platform.demo.shop import World
from marketing_platform.demo.window import DAY_SECONDS, Ints

_PLATFORMS = {"Google Ads": "google_ads", "Meta Ads": "meta_ads", "TikTok Ads": "microsoft_ads"}
_NAMES = {"Video Views": "Audience", "Conversions": "Search"}
# A campaign's figures by ad: two groups with two ads each.
_SHARES = np.array([0.45, 0.25, 0.2, 0.1])
# What platforms know of a day's purchases when it ends, and when they know all of them.
_KNOWN_AT_FIRST = 0.75
_RESTATED_DAYS = 4
# Days of the week on which it is sent (Monday is 0), and what becomes of a message.
_EMAIL_DAY, _SMS_DAY = 3, 6
# Given that it was opened.
_CLICKED, _UNSUBSCRIBED, _COMPLAINED = 0.12, 0.0105, 0.0016
# Who opens at once, and not when it suits best.
_AT_ONCE_SHARE = 0.4
_SENDING_HOUR = 9
_BOUNCED, _HARD = 0.015, 0.3
_STOPPED = 0.01


def draw_ad_days(rng: np.random.Generator, world: World) -> pl.DataFrame:
    """The versions of each ad's day: as it ends, and restated some days later."""
    campaigns = ad_rows(rng, world.window, world.orders, world.lines)
    size = len(_SHARES)
    ads = campaigns[np.repeat(np.arange(campaigns.height), size)]
    place = np.tile(np.arange(size), campaigns.height)
    number = pl.Series(place).cast(pl.Int64)
    campaign = ads["Campaign ID"].cast(pl.Int64)
    frame = pl.DataFrame(
        {
            "performance_date": ads["Date"].str.to_date(),
            "platform": ads["Platform"].replace_strict(_PLATFORMS),
            "campaign_id": campaign,
            "campaign_name": ads["Campaign Name"].replace(_NAMES),
            "ad_group_id": campaign * 10 + number // 2,
            "ad_group_name": "Group " + (number // 2 + 1).cast(pl.String),
            "ad_id": campaign * 100 + number,
            "ad_name": "Ad " + (number + 1).cast(pl.String),
            "impressions": _shared(campaigns["Impressions"].to_numpy()),
            "clicks": _shared(campaigns["Clicks"].to_numpy()),
            "cost": _shared_money(campaigns["Cost"]),
            "conversions": _shared(campaigns["Conversions"].to_numpy()).cast(pl.Float64),
            "conversion_value": _shared_money(campaigns["Conversion Value"]),
            "currency": ads["Currency"],
        }
    )
    morning = pl.col("performance_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    at_first = frame.with_columns(
        conversions=(pl.col("conversions") * _KNOWN_AT_FIRST).round(2),
        conversion_value=(pl.col("conversion_value").cast(pl.Float64) * _KNOWN_AT_FIRST)
        .round(2)
        .cast(MONEY),
        updated_at=morning + pl.duration(hours=23, minutes=59),
    )
    restated = frame.with_columns(updated_at=morning + pl.duration(hours=24 * _RESTATED_DAYS + 5))
    return pl.concat([at_first, restated]).sort("updated_at", "ad_id")


def _shared(figures: Ints) -> pl.Series:
    """Whole figures of campaigns shared out to their ads; the first takes what is left over."""
    parts = np.floor(figures[:, None] * _SHARES).astype(np.int64)
    parts[:, 0] += figures - parts.sum(axis=1)
    return pl.Series(parts.ravel())


def _shared_money(texts: pl.Series) -> pl.Series:
    cents = np.rint(texts.cast(pl.Float64).to_numpy() * 100).astype(np.int64)
    return amounts("", _shared(cents).to_numpy() / 100)


def draw_messages(
    rng: np.random.Generator, world: World, accounts: pl.DataFrame, responses: pl.DataFrame
) -> pl.DataFrame:
    """A newsletter a week and a text message a month to those who agreed, while events are kept.

    What becomes of one follows the person's `responses`.
    """
    window = world.window
    days = np.arange(window.history, window.days)
    weekday = (window.dates(days).astype(np.int64) + 3) % 7
    email_days = days[weekday == _EMAIL_DAY]
    sms_days = days[weekday == _SMS_DAY][::4]
    known = accounts.unique("account_id", keep="last", maintain_order=True).sort("account_id")
    kinds = (("email", email_days, "has_email_consent"), ("sms", sms_days, "has_sms_consent"))
    parts = [
        _campaign(rng, world, known, responses, channel, int(day), consent)
        for channel, sending, consent in kinds
        for day in sending
    ]
    rows = pl.concat(parts).sort("sent_at", "account_id").with_row_index("message_id", 1_000_001)
    happened = [name for name in rows.columns if name.endswith("_at")]
    return rows.with_columns(
        pl.col("message_id").cast(pl.Int64), pl.max_horizontal(happened).alias("updated_at")
    )


def _campaign(
    rng: np.random.Generator,
    world: World,
    known: pl.DataFrame,
    responses: pl.DataFrame,
    channel: str,
    day: int,
    consent: str,
) -> pl.DataFrame:
    """One sending: who got it, and what they did with it."""
    window = world.window
    sending = day * DAY_SECONDS + _SENDING_HOUR * 3600
    address = "email" if channel == "email" else "phone"
    there = world.records.account_at[known["person"].to_numpy()] < sending
    to = known.filter(pl.Series(there) & pl.col(consent).fill_null(False))
    to = to.filter(pl.col(address).is_not_null())
    size = to.height
    sent = sending + rng.integers(0, 1800, size)
    is_bounced = rng.random(size) < _BOUNCED
    is_email = channel == "email"
    takes = responses[to["person"].to_numpy()]
    opened = ~is_bounced & (rng.random(size) < takes["email_open_probability"].to_numpy())
    opened &= is_email
    follows = ~is_bounced & (rng.random(size) < takes["sms_follow_probability"].to_numpy())
    clicked = opened & (rng.random(size) < _CLICKED) if is_email else follows
    left = opened & (rng.random(size) < _UNSUBSCRIBED)
    complained = opened & (rng.random(size) < _COMPLAINED)
    stopped = ~is_bounced & (rng.random(size) < _STOPPED) & (not is_email)
    at_once = 60 + rng.exponential(2 * 3600, size)
    hours = (takes["preferred_hour"].to_numpy() - _SENDING_HOUR + rng.normal(0, 0.7, size)) % 24
    delay = np.where(rng.random(size) < _AT_ONCE_SHARE, at_once, 1860 + hours * 3600)
    delay = delay.astype(np.int64)

    def at(name: str, happens: np.typing.NDArray[np.bool_], after: Ints) -> pl.Series:
        moment = np.minimum(sent + after, window.stop - 1)
        return moments(name, window, np.where(happens, moment, NO_MOMENT))

    soon = np.full(size, 5, dtype=np.int64)
    name = f"{'Newsletter' if is_email else 'Text'} {window.dates(np.array([day]))[0]}"
    return to.select(
        "person",
        "account_id",
        pl.lit(channel).alias("channel"),
        (pl.col("email") if is_email else pl.lit(None, pl.String)).alias("email"),
        (pl.lit(None, pl.String) if is_email else pl.col("phone")).alias("phone"),
        pl.lit(day * 2 + (not is_email) + 10_000).cast(pl.Int64).alias("campaign_id"),
        pl.lit(name).alias("campaign_name"),
        moments("sent_at", window, sent),
        at("delivered_at", ~is_bounced, soon),
        at("opened_at", opened, delay),
        at("clicked_at", clicked, delay + 30),
        pl.when(pl.Series(clicked))
        .then(pl.lit(f"https://shop.example/?utm_source=newsletter&utm_medium={channel}"))
        .alias("clicked_url"),
        at("bounced_at", is_bounced, soon),
        pl.when(pl.Series(is_bounced))
        .then(pl.Series(np.where(rng.random(size) < _HARD, "hard", "soft")))
        .alias("bounce_type"),
        at("complained_at", complained, delay + 60),
        at("unsubscribed_at", left, delay + 90),
        at("replied_stop_at", stopped, delay),
    )

"""What the ad platforms report: spending by day and campaign, and the purchases they claim."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from marketing_platform.demo.orders import Lines, Orders
from marketing_platform.demo.products import money
from marketing_platform.demo.window import DAY_SECONDS, Floats, Window

# Platform, campaign, name, share of web orders claimed, click rate, purchases per click, price of a
# click. The claims overlap, as platforms count each for itself.
_CAMPAIGNS = (
    ("Google Ads", "10001", "Search Brand", 0.12, 0.090, 0.060, 0.35),
    ("Google Ads", "10002", "Search Generic", 0.09, 0.035, 0.022, 0.85),
    ("Google Ads", "10003", "Shopping", 0.11, 0.012, 0.025, 0.55),
    ("Meta Ads", "20001", "Prospecting", 0.08, 0.010, 0.012, 0.60),
    ("Meta Ads", "20002", "Retargeting", 0.13, 0.016, 0.045, 0.70),
    ("Meta Ads", "20003", "Lookalike", 0.05, 0.009, 0.010, 0.55),
    ("TikTok Ads", "30001", "Video Views", 0.03, 0.006, 0.006, 0.30),
    ("TikTok Ads", "30002", "Conversions", 0.05, 0.008, 0.014, 0.45),
)


def ad_rows(rng: np.random.Generator, window: Window, orders: Orders, lines: Lines) -> pl.DataFrame:
    """The lines of ad_performance.csv: one is a campaign on a day."""
    days, count = window.days - window.history, len(_CAMPAIGNS)
    claimed, click_rate, purchase_rate, click_price = np.array([row[3:] for row in _CAMPAIGNS]).T
    conversions, value = _claims(rng, window, orders, lines, claimed)
    day_clicks = conversions.mean(axis=0) / purchase_rate
    expected = 0.5 * (conversions / purchase_rate + day_clicks)
    clicks = np.maximum(rng.poisson(expected), conversions)
    impressions = clicks + rng.poisson(clicks * (1 / click_rate - 1) + 20)
    cost = clicks * click_price * rng.lognormal(0, 0.08, (days, count))
    date = window.dates(np.repeat(np.arange(window.history, window.days), count))
    return pl.DataFrame(
        {
            "Date": pl.Series(date).dt.strftime("%Y-%m-%d"),
            "Platform": [platform for platform, *_ in _CAMPAIGNS] * days,
            "Campaign ID": [campaign for _, campaign, *_ in _CAMPAIGNS] * days,
            "Campaign Name": [name for _, _, name, *_ in _CAMPAIGNS] * days,
            "Impressions": impressions.ravel(),
            "Clicks": clicks.ravel(),
            "Cost": money(cost.ravel()),
            "Conversions": conversions.ravel(),
            "Conversion Value": money(value.ravel()),
            "Currency": "EUR",
        }
    )


def _claims(
    rng: np.random.Generator, window: Window, orders: Orders, lines: Lines, shares: Floats
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Orders and their value that each campaign claims (columns), by day (rows)."""
    amount = np.bincount(lines.order, weights=lines.quantity * lines.price, minlength=len(orders))
    day = orders.at // DAY_SECONDS - window.history
    eligible = np.flatnonzero(orders.is_web & (day >= 0))
    claimed, campaign = np.nonzero(rng.random((len(eligible), len(shares))) < shares)
    order = eligible[claimed]
    cell = day[order] * len(shares) + campaign
    shape = (window.days - window.history, len(shares))
    size = shape[0] * shape[1]
    count = np.bincount(cell, minlength=size).astype(np.int64)
    value = np.bincount(cell, weights=amount[order], minlength=size).astype(np.float64)
    return count.reshape(shape), value.reshape(shape)

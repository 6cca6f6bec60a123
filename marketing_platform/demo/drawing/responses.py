"""How each person takes messages: what nobody is told, and tests and benchmarks may read."""

from __future__ import annotations

import numpy as np
import polars as pl

# Mean shares of e-mails opened and of text messages followed, and how much people differ.
_OPEN_MEAN, _FOLLOW_MEAN, _CONCENTRATION = 0.38, 0.12, 4.0
# Hours at which people read: before work, at noon, in the evening; how many do, and how sharply.
_HOURS, _HOUR_SHARES, _HOUR_SPREAD = (8.0, 12.5, 20.0), (0.3, 0.25, 0.45), 1.2
# What a message adds to the chance of a purchase within 14 days. Some are put off by one.
_UPLIFT_MEAN, _UPLIFT_SPREAD, _PUT_OFF_SHARE = 0.03, 0.02, 0.1


def draw_responses(rng: np.random.Generator, size: int) -> pl.DataFrame:
    """One row is a person.

    `email_open_probability` and `sms_follow_probability` are those of one message,
    `preferred_channel` is the one that the person takes better than others do, `preferred_hour`
    (UTC, 0 to 24) when it is read. `email_uplift_14d` and `sms_uplift_14d` are added to the chance
    of a purchase in the 14 days after the last day, if a message is sent on it.
    """
    opens = _beta(rng, _OPEN_MEAN, size)
    follows = _beta(rng, _FOLLOW_MEAN, size)
    by_email = opens / _OPEN_MEAN >= follows / _FOLLOW_MEAN
    place = rng.choice(len(_HOURS), size, p=_HOUR_SHARES)
    hour = (np.array(_HOURS)[place] + rng.normal(0, _HOUR_SPREAD, size)) % 24
    base = np.abs(rng.normal(_UPLIFT_MEAN, _UPLIFT_SPREAD, size))
    sign = np.where(rng.random(size) < _PUT_OFF_SHARE, -0.5, 1.0)
    return pl.DataFrame(
        {
            "person": np.arange(size, dtype=np.int64),
            "email_open_probability": opens,
            "sms_follow_probability": follows,
            "preferred_channel": np.where(by_email, "email", "sms"),
            "preferred_hour": hour,
            # Who reads messages is moved by them.
            "email_uplift_14d": sign * base * opens / _OPEN_MEAN,
            "sms_uplift_14d": sign * base * follows / _FOLLOW_MEAN,
        }
    )


def _beta(rng: np.random.Generator, mean: float, size: int) -> np.typing.NDArray[np.float64]:
    return rng.beta(mean * _CONCENTRATION, (1 - mean) * _CONCENTRATION, size)

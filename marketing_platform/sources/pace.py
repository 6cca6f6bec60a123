"""How many calls a vendor takes in how many seconds."""

from __future__ import annotations

import pyrate_limiter


def limiter(count: int, seconds: float) -> pyrate_limiter.Limiter:
    """A bucket that fills up with `count` tokens in `seconds`, to be closed at the end."""
    rate = pyrate_limiter.Rate(count, max(1, round(seconds * 1000)))
    return pyrate_limiter.Limiter(
        pyrate_limiter.StateBucket([rate], algorithm=pyrate_limiter.TokenBucket())
    )

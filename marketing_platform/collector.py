"""How often Python looks for objects that are only held by each other."""

from __future__ import annotations

import gc


def look_seldom() -> None:
    """Look after 50,000 new objects in place of 700.

    A run makes hundreds of thousands of small objects that stay (definitions, plans, events), and
    hardly any rings: looking through them again and again took a tenth of a small shop's run.
    Looking more seldom gains no more, and keeps rings for longer in processes that live for weeks.
    """
    gc.set_threshold(50_000, 10, 10)

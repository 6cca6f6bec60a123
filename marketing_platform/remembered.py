"""What follows from settings that never change is worked out once for them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


def remembered(function: Callable[[_Given], _Result]) -> Callable[[_Given], _Result]:
    """`function`, asked once for each object, as long as that object lives.

    An object is known by itself and not by its value, so that nothing in it has to be compared. It
    must not change.
    """
    known: dict[int, _Result] = {}

    @wraps(function)
    def ask(given: _Given) -> _Result:
        place = id(given)
        if place not in known:
            known[place] = function(given)
            weakref.finalize(given, known.pop, place, None).atexit = False
        return known[place]

    return ask

"""The terminal that commands write to."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console

# What a pipe takes: a line is as long as what it says.
_NO_EDGE = 10_000


class _Terminal(Console):
    """A sentence is one line, so that a path, an id or a payload in it can be copied and searched.

    What a terminal cannot show in one it goes on below by itself.
    """

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        if soft_wrap is None:
            soft_wrap = bool(objects) and all(isinstance(one, str) for one in objects)
        super().print(*objects, soft_wrap=soft_wrap, **options)


def terminal(*, for_errors: bool = False) -> Console:
    """A console that shows what a shop wrote as it is: `:email:` is no picture.

    In a pipe or a file a table is as wide as its rows, unless COLUMNS says how wide.
    """
    console = _Terminal(emoji=False, stderr=for_errors)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _NO_EDGE
    return console

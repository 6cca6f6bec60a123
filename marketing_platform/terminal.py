"""The terminal that commands write to."""

from __future__ import annotations

import os
import unicodedata
from typing import Any

from rich.console import Console
from rich.text import Text

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

    def render_str(self, text: str, **options: Any) -> Text:
        """What is to be shown of a text, in a line or in a cell of a table."""
        return super().render_str(harmless(text), **options)


def terminal(*, for_errors: bool = False) -> Console:
    """A console that shows what a shop wrote as it is: `:email:` is no picture.

    In a pipe or a file a table is as wide as its rows, unless COLUMNS says how wide.
    """
    console = _Terminal(emoji=False, stderr=for_errors)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _NO_EDGE
    return console


def harmless(text: str) -> str:
    """The text without what a terminal does instead of showing it.

    Names of columns and people, and what vendors say, come from elsewhere: an escape would clear
    the screen, or write what nobody said.
    """
    if text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(one) == "Cc" and one not in "\n\t"
        else one
        for one in text
    )

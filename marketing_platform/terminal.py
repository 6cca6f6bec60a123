"""The terminal that commands write to."""

from __future__ import annotations

from rich.console import Console


def terminal(*, for_errors: bool = False) -> Console:
    """A console that shows what a shop wrote as it is: `:email:` is no picture."""
    return Console(emoji=False, stderr=for_errors)

"""Where messages go: one module a kind of destination."""

from marketing_platform.destinations.base import (
    Answer,
    Batch,
    Destination,
    Row,
    RowAnswer,
    may_repeat,
)
from marketing_platform.destinations.registry import make_destination

__all__ = ["Answer", "Batch", "Destination", "Row", "RowAnswer", "make_destination", "may_repeat"]

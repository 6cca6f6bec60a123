"""What every destination is to the dispatcher: it takes a batch and answers for its rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from marketing_platform.settings import ActivationRule, Mode

IDENTIFYING = ("customer_id", "source_contact_id")
"""What every payload has besides the attributes of its rule."""

RowStatus = Literal["ok", "duplicate", "error", "later", "unknown"]


@dataclass(frozen=True)
class Row:
    """One message as a destination gets it; `payload` holds `customer_id` and the attributes.

    `cleared` are those attributes that it was told of before and that are not known any more. What
    was never known may well be known over there. After `not_after` the person is not written to.
    """

    key: str
    operation: str
    customer_id: str
    payload: Mapping[str, Any]
    cleared: frozenset[str] = frozenset()
    not_after: dt.datetime | None = None


@dataclass(frozen=True)
class Batch:
    """The rows of one request, in an order that never changes.

    For a destination that is a full feed, `rows` is the whole audience as it must be afterwards.
    """

    batch_id: str
    destination: str
    audience: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class RowAnswer:
    """What the destination said of one row.

    `later` is a row that was certainly not acted on and may be tried again, `unknown` one that may
    have been. `vendor_id` is the destination's own id of what it made of the row, by which it tells
    of it later; `suppresses` why this person must not be written to on this channel any more.
    """

    status: RowStatus
    message: str = ""
    vendor_id: str | None = None
    suppresses: Literal["unsubscribed", "hard_bounce"] | None = None


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    - `accepted`: the batch was taken; `rows` is empty (all of them) or names those answered for.
    - `refused`: the batch is not taken as it is; `rows` names the bad rows, if told.
    - `retry`: not now; `wait_seconds` if the destination said how long, `rows` names those that it
      answered for before.
    - `stop`: the destination cannot be used at all in this run: a bad token, a wrong address;
      `rows` names those that it answered for before. With `is_of_audience` only this audience
      cannot: a list that was deleted over there.

    `may_have_arrived` tells a request that may have been acted on from one that certainly was not.
    `is_counted` is false where the rows are not to blame, so that their attempts are not used up.
    """

    kind: Literal["accepted", "refused", "retry", "stop"]
    reason: str = ""
    rows: Mapping[str, RowAnswer] = field(default_factory=dict)
    wait_seconds: float | None = None
    may_have_arrived: bool = False
    is_counted: bool = True
    is_of_audience: bool = False


@dataclass(frozen=True)
class Place:
    """Where a destination stands in a shop: its rules by their names, and a folder of its own.

    `tokens_dir` is where refresh tokens that vendors replaced are shared.
    """

    rules: Mapping[str, ActivationRule] = field(default_factory=dict)
    folder: Path = Path()
    tokens_dir: Path | None = None


@dataclass(frozen=True)
class Audience:
    """What the `audience` of a rule is at a destination, in words, and what it must be."""

    what: str
    is_number: bool = True
    is_needed: bool = False


@dataclass(frozen=True)
class EventName:
    """What the `event` of a rule must be at a destination, in words, and as a pattern."""

    what: str
    pattern: str


class Destination(Protocol):
    """A place that messages are sent to. Its limits are plain attributes."""

    # What a rule may ask of it.
    modes: ClassVar[tuple[Mode, ...]]
    audience: ClassVar[Audience | None]
    name: str
    batch_size: int
    concurrency: int
    is_idempotent: bool
    # Whether each request carries the whole audience instead of what changed.
    is_full_feed: bool
    calls_per_run: int
    retry_seconds: float
    max_wait_seconds: float
    max_attempts: int

    async def send(self, batch: Batch) -> Answer:
        """Hand over a batch once. Trouble is an answer, not an exception."""
        ...

    def preview(self, batch: Batch) -> str:
        """What would be handed over first, for a person; no secret is in it."""
        ...

    def missing(self) -> Sequence[str]:
        """The audiences whose feed is not there and has to be written whole."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def may_repeat(destination: Destination, audience: str) -> bool:
    """Whether a batch of this audience may be sent again without harm.

    A destination may have rules of both kinds.
    """
    return destination.is_idempotent or audience in getattr(destination, "repeated", ())

"""What a source pulls: streams of records, each declared once.

A stream says how it is asked (`Walk` over HTTP, or `Query` in DuckDB), what identifies a record,
when it last changed, and which fields its raw view has. Everything else follows: the lake, the raw
views `raw.<source>_<stream>` and `raw.<source>_<items>`, checkpoints, partitions, assets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from marketing_platform.sources.fields import Field

if TYPE_CHECKING:
    import duckdb

    from marketing_platform.sources.client import Client
    from marketing_platform.sources.system import SystemSettings

Checkpoint = Mapping[str, Any]
"""Where a pull goes on: plain JSON, without a secret."""


@dataclass(frozen=True)
class Window:
    """The moments that are pulled, in UTC and aware: from `first` to before `end`."""

    first: dt.datetime
    end: dt.datetime

    @property
    def first_date(self) -> dt.date:
        """The first day."""
        return self.first.date()

    @property
    def last_date(self) -> dt.date:
        """The last day."""
        return (self.end - dt.timedelta(microseconds=1)).date()


@dataclass(frozen=True)
class Page:
    """One answer of a vendor as it came, and where its records are.

    `records` is the JSON path of the list in it (`$.data`, `$` for a bare list, `$.edges[*].node`
    for a GraphQL connection). `format` is `json`, `ndjson` (a record a line) or `csv` (a record a
    row, read as an object of texts). `extra` is put into every record under the key `_page`:
    things that the answer says once for all of them, or that only the request knew. `total` is how
    many records the whole list has, where the vendor says so: a pull that brought fewer is walked
    once more.
    """

    content: bytes
    records: str = "$"
    format: Literal["json", "ndjson", "csv"] = "json"
    extra: Mapping[str, Any] = field(default_factory=dict)
    total: int | None = None


class Walk(Protocol):
    """A way through the pages of one stream."""

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page with the checkpoint that goes on after it; `None` with the last page.

        Given a checkpoint, goes on there instead of at the beginning.
        """


@dataclass(frozen=True)
class Query:
    """A stream that DuckDB itself reads: files, a landed table, a table of another database.

    `select` prepares the connection where it must (attach, secrets) and gives a select with the
    one column `payload`: a JSON text per record.
    """

    select: Callable[[duckdb.DuckDBPyConnection, SystemSettings, Window], str]


@dataclass(frozen=True)
class Items:
    """A list inside the records of a stream: order lines in an order, refunds in an order.

    It becomes the raw view `raw.<source>_<name>` with a row per element. `levels` are the JSON
    paths from list to list: `("$.refunds", "$.refund_line_items")`. A GraphQL connection is read
    through `$.lineItems.nodes` or `$.lineItems.edges[*].node`. `record_key` identifies an element
    within its record; without one, its place does.
    """

    name: str
    levels: tuple[str, ...]
    fields: tuple[Field, ...]
    record_key: str = ""


@dataclass(frozen=True)
class Versions:
    """Records of another stream that are versions of this stream's records.

    `payload` is where the record lies in them; `where` is a path and the text that its value
    starts with. Stripe tells of changes so: events `charge.updated` carry the charge.
    """

    stream: str
    payload: str
    where: tuple[str, str]
    updated_at: Field


@dataclass(frozen=True)
class Stream:
    """The records of one kind at one system.

    `reads` says what an answer is:

    - `changes`: the records changed within the window. A version that the vendor no longer lists
      on a day, because the record changed again since, is kept.
    - `listing`: all records there are, whatever the window; what is not listed is gone.
    - `report`: the figures of the window's days; a day pulled again replaces all of that day.

    `record_keys` are the paths that together identify a record. `updated_at` says on which day it
    lies. `look_back_days` is how many days before the newest loaded one a daily load reads again:
    1, or as long as the vendor restates its figures. An optional stream is pulled only where the
    settings' `streams` name it: it needs a right, or a product, that not everybody has.

    The records of a state stand until they change, however long ago that was: a person and their
    consent, an address that is suppressed, a product. A state is read from its beginning on, what
    happened (orders, events, figures) from where a shop wants its history to begin.
    """

    name: str
    walk: Walk | Query
    updated_at: Field
    fields: tuple[Field, ...]
    record_keys: tuple[str, ...] = ("$.id",)
    items: tuple[Items, ...] = ()
    reads: Literal["changes", "listing", "report"] = "changes"
    look_back_days: int = 1
    versions: tuple[Versions, ...] = ()
    is_optional: bool = False
    is_state: bool = False

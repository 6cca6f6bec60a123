"""The records of one stream as they stood at any moment, a page at a time and fast.

A vendor module renders its payloads once, one per version of a record:

    shelf = Shelf(encode(frame.select(key="order_id", updated_at="updated_at", payload=struct)))
    shelf.set_clock(moment)
    page = shelf.select(first=day, end=next_day, limit=250)
    body = b'{"orders":[' + b",".join(page.payloads) + b"]}"

At each moment the newest version of a key that is not after the clock is there, and no other.
"""

from __future__ import annotations

import datetime as dt
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

# Whether the page after the one that is asked for is given.
skips_page: ContextVar[bool] = ContextVar("skips_page", default=False)
Ints = npt.NDArray[np.int64]
Order = Literal["updated_at", "key", "created_at"]
Key = int | str
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Slice:
    """A page: the payloads (JSON) with their keys and moments (µs), and what surrounds it.

    `total` is how many records match in all, `has_more` says whether some follow this page.
    `last` is `(moment in µs, key)` of the last record: give it as `after` to go on there.
    """

    payloads: list[bytes]
    keys: list[Any]
    moments: list[int]
    total: int
    has_more: bool

    @property
    def last(self) -> tuple[int, Key] | None:
        """Where the next page begins; None for an empty page."""
        return (self.moments[-1], self.keys[-1]) if self.keys else None


class Shelf:
    """Records of one stream. `frame` has `key`, `updated_at` and `payload`, a row per version.

    `created_at` is optional. All other columns can be asked for by `where` (`{"email": "a@b.c"}`).
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        frame = frame.unique(["key", "updated_at"], keep="last", maintain_order=True)
        self._rows = frame.sort("updated_at", "key")
        self._updated = _micros(self._rows["updated_at"])
        has_created = "created_at" in frame.columns
        self._created = _micros(self._rows["created_at"]) if has_created else self._updated
        self._gone_at = _superseded(self._rows)
        self._key_rank = self._rows["key"].rank("dense").to_numpy().astype(np.int64)
        self._keys = self._rows["key"].unique().drop_nulls().sort()
        self._texts = self._rows.select("key", "payload")
        self._orders: dict[Order, tuple[Ints, Ints]] = {}
        self._found: dict[tuple[Any, ...], tuple[Ints, Ints]] = {}
        self.set_clock(dt.datetime(9999, 1, 1, tzinfo=dt.UTC))

    def set_clock(self, moment: dt.datetime) -> None:
        """Show the records as they stood at `moment`, itself included."""
        now = micros(moment)
        self._visible = np.flatnonzero((self._updated <= now) & (now < self._gone_at))
        self._orders.clear()
        self._found.clear()

    def __len__(self) -> int:
        """Records that are visible."""
        return len(self._visible)

    def select(
        self,
        *,
        first: dt.datetime | None = None,
        end: dt.datetime | None = None,
        after: tuple[int, Key] | Key | None = None,
        order: Order = "updated_at",
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
        by: Literal["updated_at", "created_at"] = "updated_at",
        where: dict[str, Any] | None = None,
    ) -> Slice:
        """A page of what `by` puts from `first` to before `end`, in this `order`.

        `after` leaves out everything up to a record: `(moment in µs, key)` for the orders by time,
        the key alone for the order by key.
        """
        places, moments = self._placed(order, descending, first, end, by, where)
        start = self._after(places, moments, after, descending) + offset
        # A page of nothing would be the end of the list, not a place in it.
        if skips_page.get() and start + limit < len(places):
            start += limit
        chosen = places[start : start + limit]
        values = moments[start : start + limit]
        rows = self._texts[chosen]
        return Slice(
            payloads=[text.encode() for text in rows["payload"].to_list()],
            keys=rows["key"].to_list(),
            moments=values.tolist(),
            total=len(places),
            has_more=start + limit < len(places),
        )

    def get(self, key: Key) -> bytes | None:
        """The payload of one record, if it is there."""
        rank = self._keys.search_sorted(key) if len(self._keys) else 0
        if rank >= len(self._keys) or self._keys[rank] != key:
            return None
        places, ranks = self._order("key")
        at = int(np.searchsorted(ranks, rank + 1))
        if at == len(places) or ranks[at] != rank + 1:
            return None
        text: str = self._rows["payload"][int(places[at])]
        return text.encode()

    def _order(self, order: Order) -> tuple[Ints, Ints]:
        """The visible rows in this order, and what they are ordered by."""
        if order not in self._orders:
            rows = self._visible
            values = {
                "updated_at": self._updated,
                "created_at": self._created,
                "key": self._key_rank,
            }[order]
            rows = rows[np.lexsort((self._key_rank[rows], values[rows]))]
            self._orders[order] = (rows, values[rows])
        return self._orders[order]

    def _placed(
        self,
        order: Order,
        descending: bool,
        first: dt.datetime | None,
        end: dt.datetime | None,
        by: Literal["updated_at", "created_at"],
        where: dict[str, Any] | None,
    ) -> tuple[Ints, Ints]:
        """The rows that match, in order, and their moments."""
        name = (order, descending, first, end, by, tuple(sorted((where or {}).items())))
        if name not in self._found:
            rows, _ = self._order(order)
            moment = self._updated if by == "updated_at" else self._created
            if first is not None:
                rows = rows[moment[rows] >= micros(first)]
            if end is not None:
                rows = rows[moment[rows] < micros(end)]
            for column, value in (where or {}).items():
                rows = rows[(self._rows[column][rows] == value).fill_null(False).to_numpy()]
            if len(self._found) > 64:
                self._found.clear()
            rows = rows[::-1] if descending else rows
            at = self._created if order == "created_at" else self._updated
            self._found[name] = (rows, at[rows])
        return self._found[name]

    def _after(
        self,
        places: Ints,
        moments: Ints,
        after: tuple[int, Key] | Key | None,
        descending: bool,
    ) -> int:
        if after is None:
            return 0
        if not isinstance(after, tuple):
            # Ranks count from 1, so this is the rank of the last key that is not beyond `after`.
            rank = int(self._keys.search_sorted(after, side="right"))
            ranks = self._key_rank[places]
            if descending:
                return int(np.count_nonzero(ranks >= rank))
            return int(np.searchsorted(ranks, rank, side="right"))
        moment, key = after
        rank = int(self._keys.search_sorted(key, side="right"))
        if descending:
            is_later = (moments == moment) & (self._key_rank[places] >= rank)
            return int(np.count_nonzero((moments > moment) | is_later))
        begin = int(np.searchsorted(moments, moment))
        stop = int(np.searchsorted(moments, moment, side="right"))
        among = self._key_rank[places[begin:stop]]
        return begin + int(np.searchsorted(among, rank, side="right"))


def encode(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its struct column `payload` as JSON text."""
    return frame.with_columns(pl.col("payload").struct.json_encode())


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _micros(moments: pl.Series) -> Ints:
    return moments.dt.timestamp("us").to_numpy().astype(np.int64)


def _superseded(rows: pl.DataFrame) -> Ints:
    """When the next version of the same key comes, for each row."""
    following = rows.select(
        pl.col("updated_at").dt.timestamp("us").shift(-1).over("key").fill_null(_NEVER)
    )
    return following.to_series().to_numpy().astype(np.int64)

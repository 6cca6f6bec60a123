"""Product feeds: what the shop sells, as files for whoever shows it, or told to them.

Nobody is written to by a feed, so it has no place in the ledger; but its sums add up as well: each
offer is written or left out for a reason. The format of Google is its product data specification,
https://support.google.com/merchants/answer/7052112, as RSS 2.0.
"""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TextIO
from xml.sax.saxutils import escape

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.rules import check_feeds
from marketing_platform.activation.told_offers import tell
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.destinations.registry import make_destination
from marketing_platform.destinations.store import Store, StoreError, open_store
from marketing_platform.settings import Feed, Settings
from marketing_platform.state import product_feeds, reading, utc_now, writing
from marketing_platform.warehouse import Warehouse


def _within(key: str, most: int) -> str:
    """SQL: a key as it is, or cut to so many characters with a hash of the whole at its end.

    Names of products serve as keys too, and those of a long one may differ in their last letters.
    """
    short = f"concat(substr({key}, 1, {most - 13:d}), '-', left(sha256({key}), 12))"
    return f"case when length({key}) <= {most:d} then {key} else {short} end"


_GOOGLE = {
    "id": _within("offer_id", 50),
    "title": "title",
    "description": "description",
    "link": "link",
    "image_link": "image_url",
    "price": "concat(price_amount, ' ', currency)",
    "availability": "case when is_in_stock then 'in_stock' else 'out_of_stock' end",
    "condition": "'new'",
    "brand": "substr(brand, 1, 70)",
    "gtin": "gtin",
    "mpn": "case when brand is not null then substr(sku, 1, 70) end",
    # Without a GTIN, and a brand with a number of its own, there is nothing to know it by.
    "identifier_exists": "case when gtin is null and (brand is null or sku is null) then 'no' end",
    "item_group_id": f"case when offer_id <> product_id then {_within('product_id', 50)} end",
    "product_type": "substr(category, 1, 750)",
}
_PART = 10_000
_SUFFIX = {"google_merchant": "xml", "csv": "csv", "jsonl": "jsonl"}
_OFFERS = """
    with offered as (
        select
            *,
            coalesce(
                url,
                replace(
                    replace($link, '{product_id}', url_encode(source_product_id)),
                    '{sku}', url_encode(coalesce(sku, ''))
                )
            ) as link
        from activation.offers
        where len($sources::varchar[]) = 0 or list_contains($sources::varchar[], source)
    )
    select
        * exclude (left_out),
        coalesce(left_out, case when link is null then 'no page' end) as left_out
    from offered
"""
# Without its semicolon it may be of a word or a URL.
_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
# What XML 1.0 cannot say at all.
_UNSPEAKABLE = "[\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F\\x{FFFE}\\x{FFFF}]"


@dataclass(frozen=True)
class FeedOutcome:
    """What became of a feed in an activation: offers in it, and those left out, by reason."""

    feed: str
    status: Literal["written", "unchanged", "held", "failed"]
    offer_count: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""

    def line(self) -> str:
        """The outcome in a line."""
        left = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        parts = [f"feed {self.feed}: {self.status}, {self.offer_count} offers"]
        parts += [f"left out: {left}"] if left else []
        return "; ".join([*parts, self.detail] if self.detail else parts)


def write_feeds(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    *,
    holds: Sequence[str] = (),
    accept: str | None = None,
) -> list[FeedOutcome]:
    """Write each feed of the settings that changed; `accept` names one whose losses are meant."""
    feeds = settings.platform.feeds
    check_feeds(settings)
    if feeds and not warehouse.exists("activation.offers"):
        return [FeedOutcome(name, "held", 0, detail="nothing was built yet") for name in feeds]
    return [
        _write(warehouse, engine, settings, name, feed, holds, is_accepted=name == accept)
        for name, feed in feeds.items()
    ]


def _write(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    name: str,
    feed: Feed,
    holds: Sequence[str],
    *,
    is_accepted: bool,
) -> FeedOutcome:
    left_out, offer_count = _counts(warehouse, feed)
    before = _written(engine, name)
    kept_at_least = (1 - feed.max_removal_share) * before[0]
    if holds:
        return FeedOutcome(name, "held", before[0], left_out, "; ".join(holds))
    if not is_accepted and offer_count < kept_at_least:
        detail = (
            f"{offer_count} offers instead of {before[0]}; if that is meant:"
            f" marketing-platform activation feed {name}"
        )
        return FeedOutcome(name, "held", before[0], left_out, detail)
    if feed.destination:
        return _told(warehouse, engine, settings, name, feed, left_out)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", newline="", dir=settings.data_dir
    ) as rendered:
        count, version = _render(_offers(warehouse, feed), feed, rendered)
        store = _store(settings, name, feed)
        file = f"products.{_SUFFIX[feed.format]}"
        if version == before[1] and store.has(file):
            return FeedOutcome(name, "unchanged", count, left_out)
        try:
            store.replace(file, lambda out: _write_file(out, name, feed, rendered))
        except StoreError as error:
            told = f"cannot write {store.shown(file)}: {error}"
            return FeedOutcome(name, "failed", before[0], left_out, told)
    _remember(engine, name, count, version)
    return FeedOutcome(name, "written", count, left_out, store.shown(file))


def _told(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    name: str,
    feed: Feed,
    left_out: Mapping[str, int],
) -> FeedOutcome:
    """The outcome of telling the offers to a destination."""
    destination = make_destination(str(feed.destination), settings)
    assert isinstance(destination, HttpDestination)  # noqa: S101 - whatever takes feeds is one
    telling = tell(engine, name, destination, lambda: _offers(warehouse, feed))
    _remember(engine, name, telling.known_count, "")
    waits = f"{telling.waiting_count} wait for the next activation" if telling.waiting_count else ""
    refused = [f"{count} refused: {words}" for words, count in telling.refused.most_common(3)]
    changed = telling.told_count + telling.removed_count
    status: Literal["written", "unchanged", "failed"] = "written" if changed else "unchanged"
    if refused or telling.stopped:
        status = "failed"
    told = f"{telling.told_count} told and {telling.removed_count} taken out at {destination.name}"
    detail = "; ".join(filter(None, (told if changed else "", *refused, telling.stopped, waits)))
    return FeedOutcome(name, status, telling.known_count, left_out, detail)


def _store(settings: Settings, name: str, feed: Feed) -> Store:
    options = {option: value.get_secret_value() for option, value in feed.store.items()}
    return open_store(feed.folder or str(settings.feeds_dir / name), options)


def _parameters(feed: Feed) -> dict[str, object]:
    return {"link": feed.link, "sources": list(feed.sources)}


def _counts(warehouse: Warehouse, feed: Feed) -> tuple[dict[str, int], int]:
    """How many are left out, by reason, and how many are offered."""
    found = warehouse.query(
        f"select left_out, count(*) as n from ({_OFFERS})"  # noqa: S608 - a query of ours
        " group by 1 order by n desc, 1",
        _parameters(feed),
    )
    counts: dict[str | None, int] = dict(found.iter_rows())
    offered = counts.pop(None, 0)
    return {str(reason): count for reason, count in counts.items()}, offered


def _offers(warehouse: Warehouse, feed: Feed) -> Iterator[pl.DataFrame]:
    """An offer a row, in the order of their ids, under the names of Google's specification.

    A part at a time: the texts of a large catalogue do not fit into memory.
    """
    columns = ", ".join(f"cast({sql} as varchar) as {name}" for name, sql in _GOOGLE.items())
    with warehouse.connect() as connection:
        found = connection.sql(
            f"select {columns} from ({_OFFERS}) where left_out is null"  # noqa: S608 - as above
            " order by offer_id",
            params=_parameters(feed),
        )
        for batch in found.to_arrow_reader(_PART):
            yield pl.DataFrame(batch).with_columns(
                _as_read(pl.col("title")).str.slice(0, 150),
                _plain(pl.col("description")).str.slice(0, 5000),
            )


def _render(parts: Iterable[pl.DataFrame], feed: Feed, out: TextIO) -> tuple[int, str]:
    """Write the offers, a line each; gives how many they are and the version of all of them."""
    count, version = 0, hashlib.sha256()
    for part in parts:
        for line in _lines(part, feed):
            version.update(f"\n{line}".encode() if count else line.encode())
            out.write(line + "\n")
            count += 1
    return count, version.hexdigest()


def _lines(frame: pl.DataFrame, feed: Feed) -> list[str]:
    """An offer a line, as the format has it."""
    if feed.format == "jsonl":
        return _split(frame.write_ndjson())
    if feed.format == "csv":
        clean = frame.with_columns(pl.all().str.replace_all(r"\s+", " "))
        return _split(clean.write_csv(include_header=False))
    return frame.select(_item(frame.columns)).to_series().to_list()


def _split(written: str) -> list[str]:
    """The lines; other characters that may end one, as the separator of lines, are of the text."""
    return written.removesuffix("\n").split("\n") if written else []


def _plain(page: pl.Expr) -> pl.Expr:
    """What is left of HTML without its tags, and without what is no text."""
    text = page.str.replace_all(r"(?is)<(style|script)\b.*?</(style|script)>", " ")
    text = _as_read(text.str.replace_all(r"<[^>]*>", " "))
    return text.str.replace_all(r"\s+", " ").str.strip_chars()


def _as_read(text: pl.Expr) -> pl.Expr:
    """Text in which characters may be written as HTML's entities, as who reads it sees it."""
    return text.map_elements(_without_entities, return_dtype=pl.String)


def _without_entities(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def _item(names: Sequence[str]) -> pl.Expr:
    """An offer as an item of RSS; what is not known is not said."""
    parts = [
        pl.when(pl.col(name).is_null())
        .then(pl.lit(""))
        .otherwise(
            pl.concat_str(pl.lit(f"<g:{name}>"), _escaped(pl.col(name)), pl.lit(f"</g:{name}>"))
        )
        for name in names
    ]
    return pl.concat_str(pl.lit("<item>"), *parts, pl.lit("</item>"))


def _escaped(text: pl.Expr) -> pl.Expr:
    return (
        text.str.replace_all(_UNSPEAKABLE, "")
        .str.replace_all("&", "&amp;", literal=True)
        .str.replace_all("<", "&lt;", literal=True)
        .str.replace_all(">", "&gt;", literal=True)
    )


def _write_file(out: TextIO, name: str, feed: Feed, rendered: TextIO) -> None:
    if feed.format == "google_merchant":
        out.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">\n'
            f"<channel><title>{escape(name)}</title><link></link><description></description>\n"
        )
    if feed.format == "csv":
        out.write(",".join(_GOOGLE) + "\n")
    rendered.seek(0)
    shutil.copyfileobj(rendered, out)
    if feed.format == "google_merchant":
        out.write("</channel></rss>\n")


def _written(engine: sa.Engine, name: str) -> tuple[int, str]:
    """The offers of the feed as it was last written, and its version."""
    columns = product_feeds.c.offer_count, product_feeds.c.content_version
    with reading(engine) as connection:
        row = connection.execute(sa.select(*columns).where(product_feeds.c.feed == name)).first()
    return (int(row[0]), str(row[1])) if row else (0, "")


def _remember(engine: sa.Engine, name: str, count: int, version: str) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(product_feeds).where(product_feeds.c.feed == name))
        connection.execute(
            sa.insert(product_feeds).values(
                feed=name, written_at=utc_now(), offer_count=count, content_version=version
            )
        )

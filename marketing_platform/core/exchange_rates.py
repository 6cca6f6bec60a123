"""`core.exchange_rates`: what a currency is worth in the shop's own, day by day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from marketing_platform.errors import InputError
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse

# A day without a rate takes the last one, over weekends and holidays. What is older than this is
# not the rate of the day: the currency is no longer quoted, or the file is no longer fetched.
LONGEST_GAP_DAYS = 10
# The shop's own currency is worth 1 on every day, so that a join finds it whatever the file has.
_OWN_CURRENCY_DAYS = (dt.date(1970, 1, 1), dt.date(2099, 12, 31))
_DATE_FORMATS = ("%Y-%m-%d", "%d %B %Y", "%d/%m/%Y")
_MEND = "Give the ECB's CSV (Date,USD,JPY,...), or a file of date,currency,rate"


def build_exchange_rates(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the rates of the configured file, and the shop's own currency at 1."""
    own = settings.platform.shop.currency
    path = settings.platform.rates.file
    frames = [_own_currency(own)]
    if path:
        quoted = _quoted(path, own).filter(pl.col("currency") != own)
        frames.append(_filled(quoted))
    return warehouse.replace("core.exchange_rates", pl.concat(frames))


def _own_currency(own: str) -> pl.DataFrame:
    first, last = _OWN_CURRENCY_DAYS
    days = pl.date_range(first, last, eager=True).alias("rate_date")
    return days.to_frame().with_columns(currency=pl.lit(own), rate=pl.lit(1.0))


def _quoted(path: Path, own: str) -> pl.DataFrame:
    """The rates that the file has: own currency for one unit of each."""
    table = _read(path)
    if {"date", "currency", "rate"} <= set(table.columns):
        rates = table.select(
            _day(path, table), pl.col("currency").str.to_uppercase(), _number(path, table, "rate")
        )
    else:
        rates = _from_ecb(path, table, own)
    wrong = rates.filter((pl.col("rate") <= 0) | ~pl.col("rate").is_finite())
    if wrong.height:
        currency, day = wrong.select("currency", "rate_date").row(0)
        raise InputError(f"a rate of {currency} on {day} is not above 0", where=str(path))
    repeated = rates.filter(pl.struct("rate_date", "currency").is_duplicated())
    if repeated.height:
        currency, day = repeated.select("currency", "rate_date").row(0)
        raise InputError(f"two rates of {currency} on {day}", where=str(path))
    return rates


def _read(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), mend="Correct rates.file") from None
    except (OSError, pl.exceptions.PolarsError):
        raise InputError("not readable as CSV", where=str(path), mend=_MEND) from None
    # The ECB ends each line with a comma, and puts spaces behind the commas of its daily file.
    trimmed = table.select(pl.all().str.strip_chars()).rename(str.strip)
    renamed = trimmed.rename({c: c.lower() for c in trimmed.columns if not _is_currency(c)})
    if "date" not in renamed.columns:
        raise InputError("no column Date", where=str(path), mend=_MEND)
    return renamed


def _is_currency(column: str) -> bool:
    return len(column) == 3 and column.isascii() and column.isalpha() and column.isupper()


def _from_ecb(path: Path, table: pl.DataFrame, own: str) -> pl.DataFrame:
    """The ECB quotes units of each currency for one euro."""
    currencies = [column for column in table.columns if _is_currency(column)]
    if not currencies or (own != "EUR" and own not in currencies):
        missing = f"no rates of the shop's currency {own}" if currencies else "no currencies"
        raise InputError(missing, where=str(path), mend=_MEND)
    per_euro = table.select(_day(path, table), *(_number(path, table, c) for c in currencies))
    per_euro = per_euro.with_columns(EUR=pl.lit(1.0))
    # Divided on the days of the file, so that both rates are of the same day.
    return (
        per_euro.unpivot(index="rate_date", variable_name="currency", value_name="per_euro")
        .join(per_euro.select("rate_date", own=pl.col(own)), on="rate_date")
        .select("rate_date", "currency", rate=pl.col("own") / pl.col("per_euro"))
        .drop_nulls()
    )


def _day(path: Path, table: pl.DataFrame) -> pl.Series:
    text = table["date"]
    parsed = pl.select(
        pl.coalesce(pl.lit(text).str.to_date(form, strict=False) for form in _DATE_FORMATS)
    ).to_series()
    if parsed.null_count():
        wrong = text.filter(parsed.is_null())[0]
        raise InputError(f"not a date: {wrong!r}", where=str(path), mend="Write 2026-01-31")
    return parsed.alias("rate_date")


def _number(path: Path, table: pl.DataFrame, column: str) -> pl.Series:
    texts = table[column]
    is_empty = texts.is_null() | texts.is_in(["", "N/A", "-"])
    numbers = texts.cast(pl.Float64, strict=False)
    wrong = texts.filter(numbers.is_null() & ~is_empty)
    if wrong.len():
        raise InputError(f"{column}: not a rate: {wrong[0]!r}", where=str(path), mend=_MEND)
    return numbers


def _filled(rates: pl.DataFrame) -> pl.DataFrame:
    """A row per day: a day without a rate has the last one before it."""
    gap = dt.timedelta(days=LONGEST_GAP_DAYS)
    return (
        rates.drop_nulls()
        .sort("currency", "rate_date")
        .with_columns(
            next_date=pl.min_horizontal(
                pl.col("rate_date").shift(-1).over("currency") - dt.timedelta(days=1),
                pl.col("rate_date") + gap,
            )
        )
        .select(
            rate_date=pl.date_ranges("rate_date", "next_date"),
            currency="currency",
            rate="rate",
        )
        .explode("rate_date")
    )


TABLES = (
    PythonTable(
        TableName("core", "exchange_rates"),
        "One row is a day and a currency: what one unit was worth in the shop's currency.",
        (),
        build_exchange_rates,
    ),
)

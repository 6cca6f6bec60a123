"""What became of the shop's messages, as a row for each thing that happened to one."""

from __future__ import annotations

import polars as pl

from marketing_platform.demo.sandbox.facts import Facts

KINDS = (
    "sent",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "replied_stop",
)


def happenings(facts: Facts) -> pl.DataFrame:
    """The columns of `messages`, with `kind` and `occurred_at`."""
    return pl.concat(
        facts.messages.filter(pl.col(f"{kind}_at").is_not_null()).with_columns(
            kind=pl.lit(kind), occurred_at=f"{kind}_at"
        )
        for kind in KINDS
    )


def seconds(moment: str) -> pl.Expr:
    """Seconds since 1970 of a column of moments."""
    return pl.col(moment).dt.epoch("s")

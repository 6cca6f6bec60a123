"""Whether what a record refers to is there: a line's product, a ticket's contact.

Orders, carts, events and messages bring their contacts themselves; what is looked at here comes of
another stream, or of another system, and may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from marketing_platform.quality.results import CheckResult
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

REFERENCES_RESOLVE = "references_resolve"
_NAMED_PRODUCT = """
    coalesce(
        (
            select n.product_id from core.product_names as n
            where n.name = substr(t.product_id, length(t.source) + 2)
        ),
        t.product_id
    )
"""


@dataclass(frozen=True)
class Reference:
    """A column that names a row of another table; `value` is the SQL of the key it means."""

    column: str
    table: str
    key: str
    value: str = ""

    def sql(self) -> str:
        """The key, of a row of the table `t`."""
        return self.value or f"t.{self.column}"


_PRODUCT = Reference("product_id", "core.products", "product_id")
_CONTACT = Reference("contact_id", "core.contacts", "contact_id")
REFERENCES: Mapping[str, tuple[Reference, ...]] = {
    "core.deals": (_CONTACT,),
    "core.events": (Reference("product_id", "core.products", "product_id", _NAMED_PRODUCT),),
    "core.invoices": (
        _CONTACT,
        Reference("subscription_id", "core.subscriptions", "subscription_id"),
    ),
    "core.order_items": (_PRODUCT,),
    "core.refunds": (_PRODUCT,),
    "core.reviews": (Reference("product_id", "core.products", "product_id", _NAMED_PRODUCT),),
    "core.subscriptions": (_CONTACT,),
    "core.tickets": (_CONTACT,),
    "core.variants": (_PRODUCT,),
}


def read_by(table: str) -> tuple[str, ...]:
    """The tables that a check of `table` looks at besides it."""
    found = {reference.table for reference in REFERENCES[table]}
    if any(reference.value == _NAMED_PRODUCT for reference in REFERENCES[table]):
        found.add("core.product_names")
    return tuple(sorted(found))


def references_resolve(warehouse: Warehouse, settings: Settings, table: str) -> CheckResult:
    """Whether nearly all rows that a table refers to are there; it holds nothing."""
    known = settings.platform.drift
    told = []
    for reference in REFERENCES[table]:
        if {table, f"{table}.{reference.column}"} & set(known.ignored):
            continue
        named, missing, example = warehouse.query(
            f"""
            with found as (
                select t.{reference.column} as name, r.{reference.key} is null as is_missing
                from {table} as t
                left join {reference.table} as r on r.{reference.key} = {reference.sql()}
                where t.{reference.column} is not null
            )
            select
                count(*),
                count(*) filter (where is_missing),
                min(name) filter (where is_missing)
            from found
            """  # noqa: S608 - names of ours
        ).row(0)
        if missing >= known.minimum_rows and missing > known.missing_references * named:
            told.append(
                f"{missing} of {named} {reference.column} are not in {reference.table},"
                f" such as {example}"
            )
    detail = "; ".join(told) or "what is referred to is there"
    return CheckResult(table, REFERENCES_RESOLVE, not told, detail, is_blocking=False)

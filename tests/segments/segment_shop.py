"""A small shop in memory: rows are written with the few values that a test is about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.contract import Column
from marketing_platform.segments.tables import build_memberships, build_sizes
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

SHIPPED = Path(__file__).parents[2] / "config" / "segments"
AS_OF = dt.datetime(2026, 3, 1, 12)
TABLES_READ = (
    "core.clock",
    "core.events",
    "profiles.customers",
    "profiles.orders",
    "predictions.purchase_14d",
    "predictions.churn_30d",
    "predictions.lead_score",
    "predictions.lifetime_value",
    "predictions.next_order",
    "predictions.send_time",
    "predictions.product_affinity",
    "core.product_names",
    "profiles.visitors",
    "core.products",
    "predictions.models",
    "predictions.watch",
)
_DEFAULTS: dict[type[pl.DataType], Any] = {
    pl.String: "x",
    pl.Int64: 1,
    pl.Float64: 0.5,
    pl.Boolean: False,
    pl.Date: AS_OF.date(),
    pl.Datetime: AS_OF,
    pl.Decimal: Decimal(0),
}


class Shop:
    """A warehouse with all tables that segments read, and a folder of segment files."""

    def __init__(self, folder: Path, *, audits: bool = True) -> None:
        # A test that fills the shop very often leaves the audit of each row out.
        self.audits = audits
        self.folder = folder / "segments"
        self.folder.mkdir()
        self.warehouse = Warehouse(":memory:")
        self.settings = Settings(
            config_dir=folder, data_dir=folder, state_url=SecretStr("x"), platform=Platform()
        )
        for name in TABLES_READ:
            self.warehouse.ensure(name)
        self.clock(AS_OF)

    def clock(self, moment: dt.datetime, day: dt.date | None = None) -> None:
        """Set the clock, and which day it is where the shop is."""
        self.fill("core.clock", {"as_of": moment, "as_of_date": day or moment.date()})

    def fill(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Replace a table by rows; a column that is not given is null, or some value."""
        if self.audits:
            self.warehouse.replace(table, frame(table, *rows))
            return
        with self.warehouse.transaction() as connection:
            connection.register("incoming", frame(table, *rows).to_arrow())
            connection.execute(f"delete from {table}; insert into {table} from incoming")
            connection.unregister("incoming")

    def customers(self, *rows: Mapping[str, Any]) -> None:
        """Replace the customers; each has one contact, `files:<customer_id>`."""
        defaults = {"lifecycle_stage": "subscriber", "order_count": 0}
        self.fill("profiles.customers", *({**defaults, **row} for row in rows))
        names = [row["customer_id"] for row in rows]
        self.fill(
            "profiles.visitors",
            *({"identifier": f"files:{name}", "customer_id": name} for name in names),
        )

    def events(
        self, *rows: tuple[str, str, dt.datetime] | tuple[str, str, dt.datetime, str]
    ) -> None:
        """Replace the events: who, what, when, and of which product."""
        self.fill(
            "core.events",
            *(
                {
                    "event_id": f"files:{number}",
                    "contact_id": f"files:{who}",
                    "event": event,
                    "occurred_at": moment,
                    "event_date": moment.date(),
                    "product_id": product[0] if product else None,
                }
                for number, (who, event, moment, *product) in enumerate(rows)
            ),
        )

    def segment(self, name: str, members: str, description: str = "Somebody.", **more: str) -> None:
        """Write the file of a segment."""
        lines = "".join(f"{key}: {value}\n" for key, value in more.items())
        content = f"description: {description}\n{lines}members: {members}\n"
        (self.folder / f"{name}.yaml").write_text(content, encoding="utf-8")

    def members(self, rule: str) -> set[str]:
        """Who is in a segment with this rule."""
        self.segment("asked", rule)
        return self.memberships()["asked"]

    def memberships(self) -> dict[str, set[str]]:
        """Build the memberships: the customers of each segment that is defined."""
        build_memberships(self.warehouse, self.settings)
        found: dict[str, set[str]] = {path.stem: set() for path in self.folder.glob("*.yaml")}
        for segment, customer in self.warehouse.query(
            "select segment, customer_id from segments.memberships"
        ).iter_rows():
            found[segment].add(customer)
        return found

    def sizes(self) -> dict[str, dict[str, Any]]:
        """Build both tables: the rows of the sizes by segment."""
        build_memberships(self.warehouse, self.settings)
        build_sizes(self.warehouse, self.settings)
        rows = self.warehouse.read("segments.sizes").to_dicts()
        return {row["segment"]: row for row in rows}


def ago(**length: float) -> dt.datetime:
    """A moment before the clock."""
    return AS_OF - dt.timedelta(**length)


def frame(table: str, *rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of a table as its contract wants them."""
    contract = CONTRACTS[table]
    complete = [
        {name: row.get(name, _default(column)) for name, column in contract.columns.items()}
        for row in rows
    ]
    return pl.DataFrame(complete, schema=contract.empty().schema)


def _default(column: Column) -> Any:
    if column.nullable:
        return None
    for check in column.checks:
        if "allowed_values" in (check.pandera.statistics or {}):
            return check.pandera.statistics["allowed_values"][0]
    return _DEFAULTS[type(column.dtype)]

"""A small shop whose profiles are built from rows that a test writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
CLOCK = dt.date(2026, 3, 31)
_BUILT = ("profiles.customers", "profiles.cart_items", "profiles.viewed_products")


class Shop:
    """A shop whose records lie in a database: rows by entity, built as of a day."""

    def __init__(self, make_settings: MakeSettings, folder: Path) -> None:
        self._make, self._folder = make_settings, folder
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.timezone = "UTC"

    def add(self, entity: str, **row: Any) -> None:
        self.rows.setdefault(entity, []).append(row)

    def orders(self, who: str, *days: str, amount: float = 20, **more: Any) -> None:
        for day in days:
            number = f"{who}-{day}-{len(self.rows.get('orders', ()))}"
            self.add(
                "orders", source_order_id=number, source_contact_id=who, ordered_at=f"{day} 12:00",
                order_status="placed", gross_amount=amount, total_amount=amount, currency="EUR",
                updated_at=f"{day} 12:00", **more,
            )  # fmt: skip

    def event(self, who: str | None, event: str, moment: str, **more: Any) -> None:
        number = f"e{len(self.rows.get('events', ()))}"
        self.add(
            "events", source_event_id=number, source_contact_id=who, event=event,
            occurred_at=moment, **more,
        )  # fmt: skip

    def build(self, clock: dt.date = CLOCK) -> Warehouse:
        """The warehouse of this shop; every build has a folder of its own."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self._folder.glob("*.db")))
        url = f"sqlite:///{self._folder / f'{number}.db'}"
        engine = sa.create_engine(url)
        keys = {
            "contacts": "source_contact_id", "orders": "source_order_id",
            "events": "source_event_id", "engagements": "source_engagement_id",
            "carts": "source_cart_id", "cart_items": "source_cart_item_id",
            "tickets": "source_ticket_id", "deals": "source_deal_id",
            "order_items": "source_order_item_id", "products": "source_product_id",
            "reviews": "source_review_id", "refunds": "source_refund_id",
            "ad_performance": "key",
        }  # fmt: skip
        queries = {}
        for entity, rows in self.rows.items():
            names = sorted({name for row in rows for name in row})
            table = sa.Table(entity, sa.MetaData(), *(sa.Column(name, sa.Text) for name in names))
            table.create(engine)
            with engine.begin() as connection:
                texts = [{n: _text(row.get(n)) for n in names} for row in rows]
                connection.execute(table.insert(), texts)
            queries[entity] = {"sql": f"select * from {entity}", "record_id": keys[entity]}
        settings = self._make(
            clock=clock.isoformat(),
            shop={"timezone": self.timezone},
            sources={"database": {"url": url, "queries": queries}},
            freshness={"stale_hours": 1e9},
        ).model_copy(update={"data_dir": self._folder / f"data{number}"})
        warehouse = Warehouse(":memory:")
        build_all(warehouse, settings, until=_BUILT)
        return warehouse


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def profile(warehouse: Warehouse, contact: str) -> dict[str, Any]:
    """The profile of the customer whose contact this is."""
    (row,) = warehouse.query(
        "select p.* from profiles.customers as p"
        " inner join identity.contact_customers as m on p.customer_id = m.customer_id"
        " where m.contact_id = $contact",
        {"contact": f"database:{contact}"},
    ).to_dicts()
    return row

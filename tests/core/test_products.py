"""Products: of the list of a shop, or known only by what was sold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse


def test_a_product_that_was_deleted_keeps_its_name_and_is_not_for_sale(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    told = {
        "products": "'mug' as id, 'Mug' as title, 0 as is_deleted, 1 as is_active"
        " union all select 'cup', null, 1, null",
        "orders": "1 as id, '2026-01-05T10:00:00' as ordered_at, 'placed' as order_status,"
        " 'EUR' as currency, 15 as total_amount",
        "order_items": "n as id, 1 as source_order_id, product as source_product_id,"
        " title as product_title, 1 as quantity, 5 as unit_price_amount, 'EUR' as currency"
        " from (select 1 as n, 'mug' as product, 'Mug' as title"
        " union all select 2, 'cup', 'Cup' union all select 3, 'jar', 'Jar')",
    }
    queries = {
        entity: {
            "sql": f"select {columns}",
            "record_id": "id",
            "columns": {f"source_{entity.removesuffix('s')}_id": "id"},
        }
        for entity, columns in told.items()
    }
    with sa.create_engine(url).connect():
        settings = make_settings(
            sources={"shop": {"type": "database", "url": url, "queries": queries}}
        )
        warehouse = Warehouse(settings.warehouse_path)
        build_all(warehouse, settings, until=["core.products"])
    products = warehouse.read("core.products").select("source_product_id", "title", "is_active")
    assert {key: (title, active) for key, title, active in products.iter_rows()} == {
        "mug": ("Mug", True),
        "cup": ("Cup", False),
        # Sold, and in no list: nothing says that it cannot be bought.
        "jar": ("Jar", None),
    }

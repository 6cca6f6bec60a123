"""A name means a product where it means one alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from marketing_platform.contracts import contract_of
from marketing_platform.pipeline import build_table
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse


def names_of(folder: Path, products: list[dict[str, Any]], variants: list[dict[str, Any]]) -> Any:
    warehouse = Warehouse(":memory:")
    for name, rows in (("core.products", products), ("core.variants", variants)):
        schema = {column: one.dtype for column, one in contract_of(name).columns.items()}
        warehouse.replace(name, pl.DataFrame(rows, schema=schema))
    settings = Settings(
        config_dir=folder, data_dir=folder, state_url=SecretStr("x"), platform=Platform()
    )
    build_table(warehouse, settings, "core.product_names")
    return dict(warehouse.read("core.product_names").iter_rows())


def product(source: str, key: str, sku: str | None = None) -> dict[str, Any]:
    return {
        "product_id": f"{source}:{key}",
        "source": source,
        "source_product_id": key,
        "sku": sku,
    }


def test_a_key_a_sku_and_a_variants_sku_mean_a_product(tmp_path: Path) -> None:
    variants = [
        {"variant_id": "shop:70", "source": "shop", "product_id": "shop:7", "sku": "boot-41"},
        {"variant_id": "shop:71", "source": "shop", "product_id": "shop:9", "sku": "gone"},
    ]
    found = names_of(tmp_path, [product("shop", "7", "boot"), product("shop", "8")], variants)
    assert found == {"7": "shop:7", "boot": "shop:7", "boot-41": "shop:7", "8": "shop:8"}


def test_what_two_products_are_called_means_neither(tmp_path: Path) -> None:
    products = [product("shop", "7", "boot"), product("till", "7", "shoe"), product("till", "boot")]
    assert names_of(tmp_path, products, []) == {"shoe": "till:7"}

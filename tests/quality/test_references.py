"""What records refer to is there, or it is told how much of it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from marketing_platform.contracts import contract_of
from marketing_platform.quality.references import REFERENCES, read_by, references_resolve
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

COUNT = 100


class Shop:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = Warehouse(":memory:")
        for table in {*REFERENCES, *(name for one in REFERENCES for name in read_by(one))}:
            self.warehouse.ensure(table)

    def settings(self, **drift: Any) -> Settings:
        return Settings(
            config_dir=self.folder, data_dir=self.folder, state_url=SecretStr("x"),
            platform=Platform.model_validate({"drift": drift}),
        )  # fmt: skip

    def fill(self, table: str, **columns: Any) -> None:
        """Rows with these columns; where a value is needed, some value."""
        contract = contract_of(table)
        rows = pl.DataFrame(columns)
        empty = {pl.String: "x", pl.Int64: 1, pl.Boolean: False}
        frame = rows.select(
            (
                pl.col(name)
                if name in columns
                else pl.lit(None if column.nullable else empty.get(column.dtype.base_type()))
            ).cast(column.dtype).alias(name)
            for name, column in contract.columns.items()
        )  # fmt: skip
        with self.warehouse.transaction() as connection:
            connection.register("incoming", frame.to_arrow())
            connection.execute(f"delete from {table}; insert into {table} from incoming")
            connection.unregister("incoming")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    found = Shop(tmp_path)
    found.fill("core.products", product_id=["shop:1"], source="shop", source_product_id="1")
    return found


def lines_of(shop: Shop, missing: int) -> None:
    products = ["shop:9"] * missing + ["shop:1"] * (COUNT - missing) + [None] * COUNT
    names = [f"l{number}" for number in range(len(products))]
    shop.fill("core.variants", variant_id=names, product_id=products)


def test_a_tenth_may_be_missing_and_more_is_told(shop: Shop) -> None:
    lines_of(shop, 10)
    assert references_resolve(shop.warehouse, shop.settings(minimum_rows=5), "core.variants").passed
    lines_of(shop, 40)
    found = references_resolve(shop.warehouse, shop.settings(), "core.variants")
    assert not found.passed
    assert not found.is_blocking
    assert found.detail == "40 of 100 product_id are not in core.products, such as shop:9"


def test_of_a_few_nothing_is_said_and_what_is_of_no_concern_is_left_out(shop: Shop) -> None:
    lines_of(shop, 20)
    assert references_resolve(shop.warehouse, shop.settings(), "core.variants").passed
    lines_of(shop, 100)
    for ignored in ("core.variants", "core.variants.product_id"):
        told = shop.settings(ignored=[ignored])
        assert references_resolve(shop.warehouse, told, "core.variants").passed


def test_an_event_of_another_system_refers_to_the_product_that_it_names(shop: Shop) -> None:
    shop.fill("core.product_names", name=["1"], product_id="shop:1")
    names = [f"e{number}" for number in range(COUNT)]
    shop.fill("core.events", event_id=names, source="web", product_id="web:1")
    assert references_resolve(shop.warehouse, shop.settings(), "core.events").passed
    shop.fill("core.events", event_id=names, source="web", product_id="web:2")
    found = references_resolve(shop.warehouse, shop.settings(), "core.events")
    assert found.detail == "100 of 100 product_id are not in core.products, such as web:2"


@pytest.mark.parametrize("table", sorted(REFERENCES))
def test_an_empty_table_refers_to_nothing(shop: Shop, table: str) -> None:
    assert references_resolve(shop.warehouse, shop.settings(), table).passed

"""One demo shop for all tests, and its files read without the code that wrote them."""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from marketing_platform.demo.shop import ShopFiles, make_shop

END = dt.date(2025, 11, 20)


@dataclass(frozen=True)
class Export:
    """A shop as read from its files."""

    files: ShopFiles

    @cached_property
    def orders(self) -> list[dict[str, str]]:
        return _records(self.files.orders)

    @cached_property
    def contacts(self) -> list[dict[str, str]]:
        return _records(self.files.contacts)

    @cached_property
    def products(self) -> list[dict[str, str]]:
        return _records(self.files.products)

    @cached_property
    def ads(self) -> list[dict[str, str]]:
        return _records(self.files.ad_performance)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files.events.read_text().splitlines()]

    @cached_property
    def truth(self) -> pl.DataFrame:
        return pl.read_parquet(self.files.truth)

    @cached_property
    def counts(self) -> dict[str, Any]:
        return json.loads(self.files.truth_counts.read_text())

    @cached_property
    def sold(self) -> list[dict[str, str]]:
        """Each line sold once."""
        lines = {line["Line ID"]: line for line in self.orders if line["Status"] != "refunded"}
        return list(lines.values())

    @cached_property
    def refunds(self) -> list[dict[str, str]]:
        return [line for line in self.orders if line["Status"] == "refunded"]


def _records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return Export(make_shop(tmp_path_factory.mktemp("shop"), end=END))

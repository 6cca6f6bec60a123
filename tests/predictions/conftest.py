from __future__ import annotations

from pathlib import Path

import pytest
from predictions_shop import build_predictions, day, lively_shop, settings_in, warehouse_with

from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse


@pytest.fixture(scope="session")
def lively(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Settings]:
    """A shop with enough history for models, all tables built. Do not write to it."""
    settings = settings_in(tmp_path_factory.mktemp("lively"))
    warehouse = warehouse_with(lively_shop(), clock=day(299))
    build_predictions(warehouse, settings)
    return warehouse, settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)

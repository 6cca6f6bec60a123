"""A tiny shop and its Dagster instance on SQLite; one built shop is shared by copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock
from tiny_orders import order_lines
from tiny_settings import settings_in

from marketing_platform.definitions import prepare_instance, run_job
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import create_view, ingest
from marketing_platform.warehouse import Warehouse
from marketing_platform.warehouse.opened import close_all


@pytest.fixture
def tiny_shop(tmp_path: Path) -> Settings:
    """Settings of a shop with three weeks of orders; nothing is built yet."""
    (tmp_path / "orders.csv").write_text(order_lines(), encoding="utf-8")
    return settings_in(tmp_path)


@pytest.fixture(scope="session")
def built_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny shop that was built once for all workers; look, but do not touch."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, mark = root / "built", root / "built.done"
    with FileLock(root / "built.lock"):
        if not mark.exists():
            folder.mkdir()
            (folder / "orders.csv").write_text(order_lines(), encoding="utf-8")
            settings = settings_in(folder)
            ingest(settings, "orders")
            outcome = run_job(settings, "build")
            assert outcome.success, outcome.failures
            # Else its file is closed a moment later, while somebody copies it.
            close_all()
            mark.touch()
    return folder


@pytest.fixture
def built(built_folder: Path, tmp_path: Path) -> Settings:
    """A copy of the built shop, for one test alone."""
    shutil.copytree(built_folder, tmp_path, dirs_exist_ok=True)
    settings = settings_in(tmp_path)
    # The view names the files of the lake by their path.
    create_view(Warehouse(settings.warehouse_path), settings, "orders")
    return settings


@pytest.fixture
def instance(request: pytest.FixtureRequest) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the tiny shop, built or not."""
    name = "built" if "built" in request.fixturenames else "tiny_shop"
    home = prepare_instance(request.getfixturevalue(name))
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened

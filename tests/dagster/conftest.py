"""A tiny shop and its Dagster instance on SQLite; one built shop is shared by copies."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock
from pydantic import SecretStr
from tiny_orders import order_lines

from marketing_platform.definitions import prepare_instance, run_job
from marketing_platform.settings import Platform, Settings
from marketing_platform.sources.files.ingest import create_view, ingest
from marketing_platform.warehouse import Warehouse

ROOT = Path(__file__).parent.parent.parent


def settings_in(folder: Path) -> Settings:
    """Settings of the tiny shop in a folder that holds its export."""
    data = folder / "data"
    return Settings(
        config_dir=ROOT / "config",
        data_dir=data,
        state_url=SecretStr(f"sqlite:///{data / 'state.db'}"),
        platform=Platform.model_validate(
            {
                "clock": "newest_record",
                "sources": {"files": {"orders": {"path": folder / "orders.csv"}}},
                "destinations": {"feeds": {"type": "files"}},
                "activations": [{"segment": "new_customers", "destination": "feeds"}],
            }
        ),
    )


def living_settings(folder: Path, **platform: Any) -> Settings:
    """Settings of a shop that lives, with its export and its ledger in a folder."""
    told = {
        "sources": {"files": {"orders": {"path": folder / "orders.csv"}}},
        "destinations": {"feeds": {"type": "files"}},
        "activations": [{"segment": "recent_purchasers", "destination": "feeds"}],
        **platform,
    }
    return Settings(
        config_dir=ROOT / "config",
        data_dir=folder / "data",
        state_url=SecretStr(f"sqlite:///{folder / 'state.db'}"),
        platform=Platform.model_validate(told),
    )


def export_of(settings: Settings) -> Path:
    """The orders that a shop takes in."""
    path = settings.platform.sources.files["orders"].path
    assert isinstance(path, Path)
    return path


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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

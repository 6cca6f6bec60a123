"""Fixtures that all tests share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from shared_folder import find_shared_data
from small_postgres import postgres_server

from marketing_platform.collector import look_seldom
from marketing_platform.settings import Platform, Settings

ROOT = Path(__file__).parent.parent
# Workers and the programs that they start share the cores, on which threads of small models would
# wait for each other in circles. Before scikit-learn is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What the libraries hold would be looked through again and again.
look_seldom()
# The machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("shared_machine", deadline=None, max_examples=25)
hypothesis.settings.load_profile("shared_machine")
# The files that take longest, first, so that no worker is left alone with one of them at the end.
_LONGEST = (
    *("dagster/test_live.py", "cli/test_commands.py", "dagster/test_build.py"),
    *("real/test_online_retail.py", "dagster/test_outages.py", "dagster/test_pages.py"),
    *("cli/test_run_systems.py", "sources/test_shop_of_systems.py"),
    *("predictions/test_champion.py", "real/test_backtest_figures.py", "real/test_dedupe.py"),
    *("dagster/test_sensors.py", "predictions/test_value.py", "predictions/test_leads.py"),
    *("profiles/test_profiles.py", "cli/test_identity_commands.py", "dagster/test_definitions.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; within one, tests stay as they are written."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: places.get(item.path.relative_to(tests).as_posix(), len(_LONGEST)))


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a shop in a temporary folder; keywords are keys of platform.yaml."""

    def make(**platform: Any) -> Settings:
        data = tmp_path / "data"
        return Settings(
            config_dir=ROOT / "config",
            data_dir=data,
            state_url=SecretStr(f"sqlite:///{data / 'state.db'}"),
            platform=Platform.model_validate({"clock": "newest_record", **platform}),
        )

    return make


@pytest.fixture(scope="session")
def shared_postgres_url() -> Iterator[str]:
    """A database on a PostgreSQL server of our own, which all tests of a process share."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(shared_postgres_url: str) -> str:
    """A new database of that server."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    server = sa.create_engine(shared_postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    server.dispose()
    return sa.make_url(shared_postgres_url).set(database=name).render_as_string(False)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """A function from the name of a real data set to its path.

    Without the data a test is skipped; where CI is set it must be there, so the test fails.
    """
    return find_shared_data

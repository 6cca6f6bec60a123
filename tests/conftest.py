"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pydantic import SecretStr
from shared_folder import find_shared_data

from marketing_platform.settings import Platform, Settings

ROOT = Path(__file__).parent.parent
# The machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("shared_machine", deadline=None)
hypothesis.settings.load_profile("shared_machine")


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
def shared_data() -> Callable[[str], Path]:
    """A function from the name of a real data set to its path.

    Without the data a test is skipped; where CI is set it must be there, so the test fails.
    """
    return find_shared_data

"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from marketing_platform.settings import Platform, Settings

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


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
    """The path of a real data set; skips where there is none, and fails where CI lacks it."""

    def find(name: str) -> Path:
        path = SHARED / name
        if path.exists():
            return path
        message = f"the real data set {name} is not on this machine"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    return find

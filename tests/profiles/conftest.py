from __future__ import annotations

from pathlib import Path

import pytest
from profile_shop import MakeSettings, Shop


@pytest.fixture
def shop(make_settings: MakeSettings, tmp_path: Path) -> Shop:
    return Shop(make_settings, tmp_path / "shop")

"""The real data sets and the vendors' descriptions, which lie beside the project or nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


def find_shared_data(name: str) -> Path:
    path = SHARED / name
    if path.exists():
        return path
    if os.environ.get("CI"):
        pytest.fail(f"CI must have the real data set {name}")
    pytest.skip(f"the real data set {name} is not on this machine")

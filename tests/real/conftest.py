"""Where the real data of the tests lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def shared_data(name: str) -> Path:
    """The path of a file or folder of the real data; without it the test is skipped.

    Where CI is set the data must be there, so there the test fails instead.
    """
    path = _DATA / name
    if path.exists():
        return path
    if os.environ.get("CI"):
        pytest.fail(f"CI must have the real data: {path} is missing")
    pytest.skip(f"the real data is not here: {path}")


@pytest.fixture(name="shared_data")
def _shared_data() -> Callable[[str], Path]:
    """The same function, for tests: several folders have a conftest, so it cannot be imported."""
    return shared_data

"""Settings of tiny shops, and where they stand."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from marketing_platform.settings import Platform, Settings

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

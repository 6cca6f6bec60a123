"""The part of `platform.yaml` that makes the sandbox a shop's sources."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from marketing_platform.demo.sandbox import _segment
from marketing_platform.demo.sandbox.server import Sandbox, find_vendor


def kept_credentials(vendors: Iterable[str], folder: Path) -> dict[str, dict[str, str]]:
    """The secrets of each vendor that an earlier start has left in the folder."""
    found: dict[str, dict[str, str]] = {}
    for name in vendors:
        for secret in find_vendor(name).credentials:
            path = folder / f"{name}.{secret}"
            if path.exists():
                found.setdefault(name, {})[secret] = path.read_text(encoding="utf-8")
    return found


def event_files(sandbox: Sandbox, folder: Path) -> dict[str, dict[str, Any]]:
    """The section for the events of the shop's site, after writing them as Segment does."""
    _segment.write_calls(sandbox.facts, folder)
    return {_segment.NAME: {"folder": str(folder.resolve())}}


def demo_sources(sandbox: Sandbox, folder: Path) -> dict[str, dict[str, Any]]:
    """The section `sources` for all vendors that are served.

    Each secret is written to a file of its own in `folder`, which only its owner can read; the
    section refers to it.
    """
    return {
        name: sandbox.settings(name)
        | {
            secret: f"${{file:{_kept(folder / f'{name}.{secret}', value)}}}"
            for secret, value in sandbox.credentials(name).items()
        }
        for name in sandbox.vendors
    }


def _kept(path: Path, secret: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secret)
    return path.resolve()

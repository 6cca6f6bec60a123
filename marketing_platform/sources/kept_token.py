"""Tokens that must outlive the process: vendors that give a new refresh token with each answer.

Salesforce takes a refresh token once and then never again (refresh token rotation); Microsoft takes
each for 90 days at most. The one in the settings is therefore only where it begins: the newest lies
in a file that its owner alone can read, and processes ask for the next one in turn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock

from marketing_platform.sources.json_text import read_json


class KeptToken:
    """The newest token that began with one refresh token of the settings.

    `began_with` are the parts that tell it from others; another refresh token in the settings is
    another beginning.
    """

    def __init__(self, folder: Path, *began_with: str) -> None:
        self._folder = folder
        self._path = folder / f"{sha256(chr(0).join(began_with).encode()).hexdigest()[:32]}.json"

    def turn(self) -> AbstractContextManager[Any]:
        """Wait until no other process asks for the next token."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self._path.with_suffix(".lock"), mode=0o600)

    def read(self) -> Mapping[str, Any] | None:
        """The token; None where the vendor gave no other refresh token yet."""
        try:
            found = read_json(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, Mapping) else None

    def write(self, token: Mapping[str, Any]) -> None:
        """Put it in the place of the one before, for good: that one may be used up."""
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(dict(token)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)

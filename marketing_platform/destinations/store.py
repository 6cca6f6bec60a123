"""Where feeds are written: a folder, or a bucket of S3, Google or Azure.

A file is replaced in one step: who reads it sees the one of before or the new one, never half.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

Writer = Callable[[TextIO], None]


class StoreError(Exception):
    """A file could not be written, and why, in a few words."""


class Store(Protocol):
    """A place of files by name."""

    def replace(self, name: str, write: Writer) -> None:
        """Write a file anew. Raises StoreError."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def shown(self, name: str) -> str:
        """A file's place, for a person."""
        ...


def open_store(place: str, options: Mapping[str, str]) -> Store:
    """The store at a folder, or at the URL of a bucket with a folder in it."""
    return _Bucket(place, options) if "://" in place else _Folder(Path(place))


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def replace(self, name: str, write: Writer) -> None:
        try:
            replace_file(self._folder / name, write)
        except OSError as error:
            raise StoreError(error.strerror or str(error)) from None

    def has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def shown(self, name: str) -> str:
        return str(self._folder / name)


class _Bucket:
    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        # A server of one's own; Google's key file names it within.
        is_plain = any("http://" in option for option in options.values())
        self._open = partial(
            from_url,
            self._url,
            config=dict(options) or None,
            client_options={"allow_http": True} if is_plain else None,
        )

    def replace(self, name: str, write: Writer) -> None:
        try:
            # The whole of a large shop does not fit into memory.
            with tempfile.TemporaryFile() as raw:
                out = io.TextIOWrapper(raw, encoding="utf-8", newline="")
                write(out)
                out.flush()
                raw.seek(0)
                # A bucket shows an object when it is whole.
                obstore.put(self._open(), name, raw)
                out.detach()
        except (BaseError, OSError) as error:
            raise StoreError(_told(error)) from None

    def has(self, name: str) -> bool:
        try:
            obstore.head(self._open(), name)
        except (BaseError, OSError):
            # Where it cannot be asked, writing it again does no harm and tells why.
            return False
        return True

    def shown(self, name: str) -> str:
        return f"{self._url}/{name}"


def _told(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def replace_file(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a file beside `path`, bring it to the disk, and put it in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # What a killed process left behind; only one process writes an audience at a time.
    for old in path.parent.glob(f".{path.name}.*.part"):
        old.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as out:  # noqa: PTH123 - a handle
            write(out)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o640)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too; not every system lets a folder be opened."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Backs up a shop's data into one file, and restores it.

What cannot be built again is the lake, the state database and the models; the warehouse comes along
so that a restore is at work at once. A SQLite state is copied while it is written to; of a
PostgreSQL state its own tools take care.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from marketing_platform.activation import TOLD
from marketing_platform.errors import InputError, full_disk, no_permission
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

_MANIFEST = "manifest.json"
_FORMAT = 1
_STATE = "state.db"
_WAREHOUSE = "warehouse.duckdb"
_NOTE = "note.json"
# What belongs to a data folder besides state and warehouse. Dagster's own history is not there: it
# tells what ran, and nothing depends on it.
_FOLDERS = ("lake", "models", "feeds")
_FILES = ("shop.json", TOLD)


@dataclass(frozen=True)
class BackedUp:
    """What a backup holds: files, their bytes, what had to be left out, and of when it is."""

    path: Path
    file_count: int
    byte_count: int
    left_out: tuple[str, ...]
    made_at: dt.datetime


def back_up(settings: Settings, target: Path) -> BackedUp:
    """Write everything into `target`, a `.tar.gz` that is there only once it is whole."""
    if target.exists():
        raise InputError("there is such a file already", where=str(target), mend="Name another")
    # A ledger alone is what a command leaves in another folder than the shop's: nobody should
    # believe that they have a backup of that.
    if not settings.warehouse_path.exists() and not settings.lake_dir.is_dir():
        raise InputError(
            "nothing was built there",
            where=str(settings.data_dir),
            mend="Name the shop's folder with MARKETING_PLATFORM_DATA_DIR",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    left_out: list[str] = []
    made_at = dt.datetime.now(dt.UTC)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch:
        folder = Path(scratch)
        copied = [*_copied_state(settings, folder, left_out), *_copied_warehouse(settings, folder)]
        part = folder / "part"
        with tarfile.open(part, "w:gz", compresslevel=1) as archive:
            added = [_added(archive, *file) for file in (*copied, *_kept(settings.data_dir))]
            sums = dict(one for one in added if one)
            manifest = {
                "format": _FORMAT,
                "made_at": made_at.isoformat(),
                "left_out": left_out,
                "sha256": sums,
            }
            (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            archive.add(folder / _MANIFEST, _MANIFEST)
        part.replace(target)
    size = target.stat().st_size
    return BackedUp(target, len(sums), size, tuple(left_out), made_at)


def restore(settings: Settings, source: Path) -> BackedUp:
    """Put a backup into the shop's data folder, which must not exist or be empty.

    The files are unpacked in there, in a folder of their own, and checked before they take their
    places: a backup that is damaged changes nothing. The data folder itself stays, for it may be
    where a disk is mounted, or the one folder that its user may write to.
    """
    target = settings.data_dir
    if not source.is_file():
        raise InputError("no such file", where=str(source), mend="Name a backup")
    is_new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    _refuse_other_files(target)
    try:
        with tempfile.TemporaryDirectory(dir=target, prefix=".restore-") as scratch:
            folder = Path(scratch)
            manifest = _unpacked(source, folder)
            for name, expected in manifest["sha256"].items():
                path = folder / name
                if not path.is_file() or _sum(path) != expected:
                    raise InputError(f"{name} is damaged or missing", where=str(source))
            (folder / _MANIFEST).unlink()
            _refuse_other_files(target, folder)
            for path in folder.iterdir():
                path.rename(target / path.name)
    except BaseException:
        if is_new:
            with suppress(OSError):
                target.rmdir()
        raise
    size = source.stat().st_size
    made_at = dt.datetime.fromisoformat(manifest["made_at"])
    return BackedUp(source, len(manifest["sha256"]), size, tuple(manifest["left_out"]), made_at)


def _refuse_other_files(target: Path, *ours: Path) -> None:
    if set(target.iterdir()) - set(ours):
        raise InputError(
            "the data folder is not empty",
            where=str(target),
            mend="Move it away, or name another with MARKETING_PLATFORM_DATA_DIR",
        )


def _copied_state(
    settings: Settings, folder: Path, left_out: list[str]
) -> Iterator[tuple[str, Path]]:
    url = sa.make_url(settings.state_url.get_secret_value())
    if url.get_backend_name() != "sqlite":
        left_out.append("the state database: back it up with pg_dump at the same time")
        return
    path = Path(url.database or "")
    if not path.exists():
        return
    copy = folder / _STATE
    try:
        with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(copy)) as kept:
            now.backup(kept)
    except sqlite3.OperationalError as error:
        told = InputError(
            f"the state cannot be copied: {error}",
            where=str(path),
            mend="Let the user that runs this read and write there, and in its folder",
        )
        raise full_disk(error, folder) or told from None
    yield _STATE, copy


def _copied_warehouse(settings: Settings, folder: Path) -> Iterator[tuple[str, Path]]:
    path = settings.warehouse_path
    if not path.exists():
        return
    copy = folder / _WAREHOUSE
    try:
        # Whoever holds the file has all of it in it, and lets nobody else write.
        with Warehouse(path, lock_seconds=0).connect() as connection:
            connection.execute("checkpoint")
            shutil.copyfile(path, copy)
    except duckdb.IOException:
        raise InputError(
            "the warehouse is being written", where=str(path), mend="Try again after the build"
        ) from None
    yield _WAREHOUSE, copy


def _kept(data: Path) -> Iterator[tuple[str, Path]]:
    for name in _FILES:
        if (data / name).is_file():
            yield name, data / name
    for folder in _FOLDERS:
        # The note of a stream says up to when it was read. Where a load writes meanwhile it must
        # not be newer than the records: what it names is not read again.
        for path in sorted((data / folder).rglob("*"), key=lambda path: (path.name != _NOTE, path)):
            inside = path.relative_to(data)
            is_half_written = any(part.startswith(".") for part in inside.parts)
            if path.is_file() and not is_half_written:
                yield inside.as_posix(), path


def _added(archive: tarfile.TarFile, name: str, path: Path) -> tuple[str, str] | None:
    """Put a file into the archive; its name and checksum, or None where it is gone by now.

    It is opened once, so that a file that takes its place meanwhile changes nothing.
    """
    try:
        content = path.open("rb")
    except FileNotFoundError:
        return None
    with content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
        content.seek(0)
        archive.addfile(archive.gettarinfo(arcname=name, fileobj=content), content)
    return name, found


def _unpacked(source: Path, folder: Path) -> dict[str, Any]:
    no_backup = InputError("not a backup, or damaged", where=str(source), mend="Name another file")
    try:
        with tarfile.open(source, "r:gz") as archive:
            for member in archive:
                _unpack(archive, member, folder)
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (
        *(gzip.BadGzipFile, tarfile.TarError, zlib.error),
        *(EOFError, ValueError, FileNotFoundError),
    ):
        raise no_backup from None
    except OSError as error:
        told = InputError(f"cannot be unpacked: {error.strerror or error}", where=str(source))
        raise full_disk(error, folder.parent) or no_permission(error) or told from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise InputError("a backup of another format", where=str(source))
    return manifest


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write a file of the archive: nothing outside of the folder, no links, no devices.

    Who may read it is decided here. The filter that does so comes with Python 3.11.4, and Debian 12
    has 3.11.2.
    """
    path = folder / member.name
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or not path.resolve().is_relative_to(folder.resolve()):
        raise tarfile.TarError(member.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("xb") as written:
        shutil.copyfileobj(content, written)


def _sum(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

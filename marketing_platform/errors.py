"""The errors that a person sees. One line each: what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

# SQLite says so where it may not make a file, which is not always for lack of room.
_NO_FILE = "disk I/O error"
_FULL = ("disk is full", "No space left on device", "Disk quota exceeded")
_HARDLY_ANY = 16 * 2**20
# As DuckDB says it.
_NOT_PERMITTED = re.compile(r'open file "([^"]+)": (?:Permission denied|Read-only file system)')


class PlatformError(Exception):
    """A mistake that a person can mend.

    `what` says what is wrong, `where` names the file, line, row or key, `mend` says what to do.
    The command line prints the line and exits with `exit_code`.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        line = f"{where}: {what}" if where else what
        end = "" if line.endswith(("?", ".")) else "."
        super().__init__(f"{line}{end} {mend}" if mend else line)


class InputError(PlatformError):
    """A file, a mapping or an option that cannot be used."""


class ConfigError(PlatformError):
    """A setting in `config/` that cannot be used."""


class ContractError(PlatformError):
    """A table that does not keep its contract; the table of before is left in place."""

    exit_code = 3


class HeldError(PlatformError):
    """An activation that is held because its inputs cannot be trusted."""

    exit_code = 4


class SourceError(PlatformError):
    """A system that cannot be reached, refuses us, or answers what nobody can read."""

    exit_code = 5


class DiskFullError(PlatformError):
    """No room for what has to be written."""

    exit_code = 6


def full_disk(error: BaseException, folder: Path) -> DiskFullError | None:
    """The same in one line, where an error came of a full disk; else None.

    `folder`, which need not exist, is where most is written. Databases say it each in their own
    words, and hardly one as an OSError.
    """
    free = _free_bytes(folder)
    cause: BaseException | None = error
    while cause is not None:
        is_told = any(words in str(cause) for words in _FULL) or (
            isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        )
        if is_told or (_NO_FILE in str(cause) and free < _HARDLY_ANY):
            is_here = free < _HARDLY_ANY
            return DiskFullError(
                "the disk is full" + ("" if is_here else f" ({str(cause).splitlines()[0]})"),
                where=str(folder) if is_here else None,
                mend="Make room and run again; it goes on where it stopped",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def no_permission(error: BaseException) -> PlatformError | None:
    """The same in one line, where a file or folder may not be read or written; else None."""
    found = _NOT_PERMITTED.search(str(error))
    is_told = isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS
    if not is_told and not found:
        return None
    path = getattr(error, "filename", None) or (found[1] if found else None)
    return PlatformError(
        f"not permitted{'' if path else f' ({error})'}",
        where=str(path) if path else None,
        mend="Let the user that runs this read and write there",
    )


def _free_bytes(folder: Path) -> int:
    path = folder.absolute()
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free

"""Keeps a DuckDB file open between uses that follow each other closely.

Opening costs some fifty milliseconds (DuckDB starts an instance, and its time zones), a small table
less than one. So the file stays open for a moment after its last use. DuckDB lets one process write
at a time: a process that finds the file locked leaves a mark beside it, and whoever sees a fresh
mark closes the file with its last use, and lets the other one in before it opens it again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

Prepare = Callable[[duckdb.DuckDBPyConnection], None]
# How long a file stays open that nobody uses.
_LINGER_SECONDS = 0.2
# The longest pause of one who waits, and a little more.
_MARK_SECONDS = 2.0
# How often one who has closed the file for another looks whether they are in.
_LOOK_SECONDS = 0.01


class _Opened:
    """A file that is open in this process, and how many use it."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, config: Mapping[str, Any], place: object
    ) -> None:
        self.connection = connection
        self.config = config
        self.place = place
        self.users = 0
        self.last_used = time.monotonic()


_lock = threading.RLock()
_opened: dict[str, _Opened] = {}
_closers: dict[str, threading.Timer] = {}
# The files that were closed because another process waited, and when.
_left_to_others: dict[str, float] = {}
# Those that wait, and those that may still be closing.
_timers: set[threading.Timer] = set()


@contextmanager
def opened(path: str, config: Mapping[str, Any], prepare: Prepare) -> Iterator[Any]:
    """A connection of its own to the file; `prepare` is called where the file had to be opened.

    Raises `duckdb.IOException` where another process has it.
    """
    _let_others_in(path)
    one, connection = _join(path, config, prepare)
    try:
        yield connection
    finally:
        connection.close()
        _leave(path, one)


def want(path: str) -> None:
    """Leave the mark that this process waits for the file."""
    with contextlib.suppress(OSError):
        _mark(path).touch()


def close_all() -> None:
    """Close the files that nobody uses: before this program ends, or another takes its place."""
    with _lock:
        for path, one in list(_opened.items()):
            if not one.users:
                _close(path)
        timers = list(_timers)
        _closers.clear()
        _timers.clear()
    # A thread that is closing a file when Python ends has the process aborted.
    for timer in timers:
        timer.cancel()
        timer.join()


def _join(
    path: str, config: Mapping[str, Any], prepare: Prepare
) -> tuple[_Opened, duckdb.DuckDBPyConnection]:
    with _lock:
        one = _opened.get(path)
        # A file that was put in its place is another; and DuckDB has one configuration a file.
        if one and not one.users and (one.config != config or one.place != _place(path)):
            _close(path)
            one = None
        if one is None or one.place != _place(path):
            connection = duckdb.connect(path, config=dict(config))
            try:
                prepare(connection)
            except BaseException:
                connection.close()
                raise
            one = _opened[path] = _Opened(connection, dict(config), _place(path))
            # Who else waits leaves it again before long.
            _mark(path).unlink(missing_ok=True)
        one.users += 1
        return one, one.connection.cursor()


def _leave(path: str, one: _Opened) -> None:
    with _lock:
        one.users -= 1
        one.last_used = time.monotonic()
        if one.users:
            return
        if _opened.get(path) is not one:
            one.connection.close()
        elif _is_wanted(path):
            _leave_to_others(path)
        elif path not in _closers:
            _close_later(path)


def _close_later(path: str) -> None:
    timer = threading.Timer(_LINGER_SECONDS, _close_if_idle, [path])
    timer.daemon = True
    _closers[path] = timer
    _timers.difference_update([one for one in _timers if not one.is_alive()])
    _timers.add(timer)
    timer.start()


def _close_if_idle(path: str) -> None:
    with _lock:
        _closers.pop(path, None)
        one = _opened.get(path)
        if one is None or one.users:
            return
        if _is_wanted(path):
            _leave_to_others(path)
        elif time.monotonic() - one.last_used >= _LINGER_SECONDS:
            _close(path)
        else:
            _close_later(path)


def _leave_to_others(path: str) -> None:
    _close(path)
    _left_to_others[path] = time.monotonic()


def _let_others_in(path: str) -> None:
    """Wait for the one for whom this process closed the file: who is in takes the mark away.

    Who uses the file all the time would else have it again before the other one looks.
    """
    until = _left_to_others.get(path, -_MARK_SECONDS) + _MARK_SECONDS
    while time.monotonic() < until and path not in _opened and _is_wanted(path):
        time.sleep(_LOOK_SECONDS)


def _close(path: str) -> None:
    _opened.pop(path).connection.close()


def _place(path: str) -> object:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _mark(path: str) -> Path:
    return Path(f"{path}.wanted")


def _is_wanted(path: str) -> bool:
    try:
        return time.time() - _mark(path).stat().st_mtime < _MARK_SECONDS
    except OSError:
        return False


def _forget() -> None:
    """A child of a fork has its parent's connections, and must not touch them."""
    global _lock
    _lock = threading.RLock()
    _opened.clear()
    _closers.clear()
    _timers.clear()
    _left_to_others.clear()


os.register_at_fork(after_in_child=_forget)
atexit.register(close_all)

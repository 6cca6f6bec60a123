"""Who holds a lease, and whether that process still lives.

A lease ends by time. Where holder and asker run on the same machine there is no need to wait: a
process that is gone, or whose number another process has now, holds nothing.
"""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

_SEPARATOR = "|"


def new_owner() -> str:
    """A name for one dispatch of this process: host, process namespace, number, start and nonce."""
    pid = os.getpid()
    return _SEPARATOR.join((_place(), str(pid), _started(pid) or "", uuid.uuid4().hex[:12]))


def is_dead(owner: str) -> bool:
    """Whether the holder is known to be gone; false where that cannot be seen from here."""
    parts = owner.split(_SEPARATOR)
    if len(parts) != 4 or not _is_here(parts[0]) or not parts[1].isdigit():
        return False
    pid, started = int(parts[1]), parts[2]
    if not started:
        return not _runs(pid)
    return _started(pid) != started


def is_of_an_earlier_start(owner: str) -> bool:
    """Whether a machine of this one's name held it, before that was started again.

    Two machines that share a name look the same, so this is not for what may be sent twice.
    """
    theirs, ours = (place.split("/") for place in (owner.partition(_SEPARATOR)[0], _place()))
    return len(theirs) == len(ours) == 3 and theirs[0] == ours[0] and theirs[1] != ours[1]


def _place() -> str:
    """The host, since its start, and the namespace in which process numbers mean something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _is_here(place: str) -> bool:
    """Whether process numbers of a place mean the same here.

    A start of a machine has an id that no other has; its name may change while it runs, as that of
    a laptop in another network.
    """
    theirs, ours = place.split("/"), _place().split("/")
    return theirs[-2:] == ours[-2:] if len(theirs) == len(ours) == 3 else theirs == ours


def _started(pid: int) -> str | None:
    """When a process began, in clock ticks since the start of the machine; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold blanks and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

"""PostgreSQL from the programs of the machine, on a socket, as long as the tests run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def postgres_bin() -> Path | None:
    """The folder with PostgreSQL's programs, newest version first."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*folders, Path("/usr/local/bin")]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _as_other_user() -> list[str]:
    """PostgreSQL refuses to run as root; a command in front that changes the user."""
    if os.getuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
        return ["setpriv", *ids, "--clear-groups"]
    return []


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of our own, on a socket in a temporary folder; gives its URL."""
    programs = postgres_bin()
    if programs is None:
        pytest.skip("no PostgreSQL programs on this machine")
    change_user = _as_other_user()
    if os.getuid() == 0 and not (change_user and shutil.which("setpriv")):
        pytest.skip("PostgreSQL does not run as root, and there is no other user to run it as")
    folder = Path(tempfile.mkdtemp(prefix="ledger-pg-", dir="/tmp"))
    if change_user:
        uid, gid = (int(part.split("=")[1]) for part in change_user[1:3])
        os.chown(folder, uid, gid)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [*change_user, str(programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder)

    run("initdb", "-D", str(data), "-U", "ledger", "-A", "trust", "-N", "-E", "UTF8")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    log = str(folder / "log")
    run("pg_ctl", "-D", str(data), "-w", "-l", log, "-o", options, "start")
    try:
        yield f"postgresql+psycopg://ledger@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)

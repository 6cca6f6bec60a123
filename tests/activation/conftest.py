"""The ledger on both databases, and a receiver that really listens."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_shop import SmallShop

from marketing_platform.demo.receiver import Receiver
from marketing_platform.state import open_state


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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of our own, on a socket in a temporary folder."""
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


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty state database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    url: str = request.getfixturevalue("postgres_url")
    engine = open_state(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text("truncate plans, batches, messages, suppressions restart identity cascade")
        )
    engine.dispose()
    yield url


@pytest.fixture
def engine(state_url: str) -> Iterator[sa.Engine]:
    opened = open_state(state_url)
    yield opened
    opened.dispose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def shop() -> SmallShop:
    return SmallShop()

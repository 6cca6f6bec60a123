"""One engine a process for a state database, however often it is opened."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from marketing_platform.quality.results import latest_builds, record_build
from marketing_platform.state import open_state, reading, utc_now


def opened_files(path: Path) -> int:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [str(link.readlink()) for link in links].count(str(path))


def look(url: str) -> None:
    with reading(open_state(url)) as connection:
        connection.execute(sa.text("select count(*) from messages")).scalar_one()


def test_who_opens_a_ledger_at_each_tick_holds_it_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for _ in range(20):
        look(f"sqlite:///{path}")
    assert opened_files(path) == 1


def test_the_files_of_many_shops_are_not_kept_open(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(12)]
    for path in paths:
        look(f"sqlite:///{path}")
    assert sum(opened_files(path) for path in paths) <= 4


def test_a_ledger_that_was_put_in_the_place_of_another_is_the_one_that_is_read(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "state.db", tmp_path / "other.db"
    record_build(open_state(f"sqlite:///{path}"), "core.orders", 1, utc_now())
    with reading(open_state(f"sqlite:///{other}")):
        pass
    open_state(f"sqlite:///{other}").dispose()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    other.replace(path)
    assert latest_builds(open_state(f"sqlite:///{path}")) == []
    assert latest_builds(open_state(f"sqlite:///{path}")) == []

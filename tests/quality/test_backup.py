"""A backup holds all that cannot be built again, and comes back as it was or not at all."""

from __future__ import annotations

import hashlib
import os
import resource
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import duckdb
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.testing import CliRunner

from marketing_platform.backup import back_up, restore
from marketing_platform.cli import app
from marketing_platform.errors import InputError
from marketing_platform.quality.results import CheckResult, latest_checks, record_check
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state


def settings_of(folder: Path, url: str = "") -> Settings:
    return Settings(
        config_dir=folder,
        data_dir=folder,
        state_url=SecretStr(url or f"sqlite:///{folder / 'state.db'}"),
        platform=Platform(),
    )


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """A data folder with a bit of everything, and a state that is open."""
    settings = settings_of(tmp_path / "shop")
    (settings.lake_dir / "files" / "orders").mkdir(parents=True)
    (settings.lake_dir / "files" / "orders" / "day.parquet").write_bytes(b"rows")
    (settings.data_dir / "shop.json").write_text("{}")
    (settings.data_dir / "dagster").mkdir()
    (settings.data_dir / "dagster" / "history").write_text("what ran")
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute("create table kept as select 42 as answer")
    (settings.tokens_dir).mkdir()
    (settings.tokens_dir / "app.json").write_text('{"refresh_token": "hush"}')
    record_check(
        open_state(settings.state_url.get_secret_value()), CheckResult("t", "c", True, "x")
    )
    return settings


def test_a_backup_comes_back_as_it_was(shop: Settings, tmp_path: Path) -> None:
    held = open_state(shop.state_url.get_secret_value()).connect()
    made = back_up(shop, tmp_path / "backups" / "monday.tar.gz")
    held.close()
    assert made.file_count == 4
    back = settings_of(tmp_path / "other")
    restore(back, made.path)
    with duckdb.connect(str(back.warehouse_path)) as connection:
        assert connection.sql("select answer from kept").fetchall() == [(42,)]
    assert (back.lake_dir / "files" / "orders" / "day.parquet").read_bytes() == b"rows"
    [check] = latest_checks(open_state(back.state_url.get_secret_value()))
    assert check.table_name == "t"
    assert not (back.data_dir / "dagster").exists()
    # No secret is in a backup.
    assert not back.tokens_dir.exists()
    assert not (back.data_dir / "manifest.json").exists()


def test_what_is_restored_can_be_read_by_whom_the_one_who_restores_it_lets(
    shop: Settings, tmp_path: Path
) -> None:
    made = back_up(shop, tmp_path / "monday.tar.gz")
    back = settings_of(tmp_path / "other")
    mask = os.umask(0o027)
    try:
        restore(back, made.path)
    finally:
        os.umask(mask)
    written = [back.data_dir, *back.data_dir.rglob("*")]
    assert [path for path in written if path.stat().st_mode & 0o007] == []


def test_who_restores_a_backup_is_told_what_it_cannot_know(
    shop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = back_up(shop, tmp_path / "monday.tar.gz")
    monkeypatch.setenv("MARKETING_PLATFORM_DATA_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("MARKETING_PLATFORM_CONFIG_DIR", str(tmp_path))
    (tmp_path / "platform.yaml").write_text("{}")
    done = CliRunner().invoke(app, ["restore", str(made.path)])
    told = f"It is of {made.made_at:%Y-%m-%d %H:%M} UTC: name again, before anything is sent, who"
    assert told in done.output


def test_a_backup_that_is_taken_while_a_load_writes_can_be_restored(
    shop: Settings, tmp_path: Path
) -> None:
    lake, stop = shop.lake_dir / "files" / "orders", Event()

    def load() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            for day in range(1, 29):
                staged = lake / f".staged-{turn}-{day}"
                staged.write_bytes(f"{turn} {day} ".encode() * 10_000)
                staged.replace(lake / f"2026-01-{day:02}.parquet")
            for day in range(1, 29, 2):
                (lake / f"2026-01-{day:02}.parquet").unlink()

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        try:
            made = [back_up(shop, tmp_path / f"{number}.tar.gz") for number in range(5)]
        finally:
            stop.set()
        loading.result()
    for number, backup in enumerate(made):
        back = settings_of(tmp_path / f"back-{number}")
        restore(back, backup.path)
        names = {path.name for path in (back.lake_dir / "files" / "orders").iterdir()}
        assert "day.parquet" in names
        assert not [name for name in names if name.startswith(".")]


def test_what_a_stream_says_it_has_read_is_never_newer_than_its_records(
    shop: Settings, tmp_path: Path
) -> None:
    (shop.lake_dir / "files" / "orders" / "note.json").write_text("{}")
    made = back_up(shop, tmp_path / "b.tar.gz")
    with tarfile.open(made.path) as archive:
        names = archive.getnames()
    assert names.index("lake/files/orders/note.json") < names.index("lake/files/orders/day.parquet")


def test_a_state_that_cannot_be_read_is_told_and_nothing_is_left(
    shop: Settings, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    elsewhere = settings_of(shop.data_dir, f"sqlite:///{tmp_path / 'state'}")
    with pytest.raises(InputError, match=r"the state cannot be copied: .* Let the user that runs"):
        back_up(elsewhere, tmp_path / "backups" / "b.tar.gz")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_folder_that_is_not_the_shops_gives_no_backup_of_nothing(
    tmp_path: Path,
) -> None:
    """As where a shell, or cron, has not the environment that the services have."""
    settings = settings_of(tmp_path / "other")
    settings.data_dir.mkdir()
    open_state(settings.state_url.get_secret_value()).dispose()
    with pytest.raises(InputError, match="nothing was built there"):
        back_up(settings, tmp_path / "monday.tar.gz")
    assert not (tmp_path / "monday.tar.gz").exists()


def test_nothing_is_written_over(shop: Settings, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    back_up(shop, target)
    with pytest.raises(InputError, match="there is such a file already"):
        back_up(shop, target)
    with pytest.raises(InputError, match="the data folder is not empty"):
        restore(shop, target)


def test_a_damaged_backup_changes_nothing(shop: Settings, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    back_up(shop, target)
    whole = target.read_bytes()
    other = settings_of(tmp_path / "other")
    target.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"not a backup|damaged"):
        restore(other, target)
    with tarfile.open(target, "w:gz") as archive:
        archive.add(tmp_path / "shop" / "shop.json", "shop.json")
    with pytest.raises(InputError, match="not a backup"):
        restore(other, target)
    assert not other.data_dir.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_with_a_broken_byte_is_told_wherever_it_stands(
    shop: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "b.tar.gz"
    (shop.lake_dir / "files" / "orders" / "other.parquet").write_bytes(
        b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(3000))
    )
    back_up(shop, target)
    whole, told = target.read_bytes(), set()
    for number, place in enumerate(range(20, len(whole), len(whole) // 60)):
        target.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        # A byte that fills up a block of the archive means nothing.
        try:
            restore(settings_of(tmp_path / f"other-{number}"), target)
        except InputError as error:
            told.add(error.what)
    assert "not a backup, or damaged" in told


def test_a_backup_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"monday\.tar\.gz: no such file"):
        restore(settings_of(tmp_path / "other"), tmp_path / "monday.tar.gz")
    assert not (tmp_path / "other").exists()


def test_a_backup_that_finds_no_room_is_not_called_damaged(shop: Settings, tmp_path: Path) -> None:
    made = back_up(shop, tmp_path / "b.tar.gz")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InputError, match="cannot be unpacked: File too large"):
            restore(settings_of(tmp_path / "other"), made.path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "other").exists()


def test_a_restore_keeps_the_folder_it_is_given(shop: Settings, tmp_path: Path) -> None:
    made = back_up(shop, tmp_path / "b.tar.gz")
    folder = tmp_path / "mounted"
    folder.mkdir(mode=0o750)
    before = folder.stat()
    restore(settings_of(folder), made.path)
    after = folder.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert (folder / "state.db").exists()


def test_an_archive_that_points_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar.gz"
    (tmp_path / "x").write_text("x")
    with tarfile.open(evil, "w:gz") as archive:
        archive.add(tmp_path / "x", "../escaped")
    with pytest.raises(InputError, match="not a backup"):
        restore(settings_of(tmp_path / "a" / "b"), evil)
    assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_anything_but_files_is_refused(tmp_path: Path, kind: bytes) -> None:
    evil = tmp_path / "evil.tar.gz"
    with tarfile.open(evil, "w:gz") as archive:
        link = tarfile.TarInfo("lake")
        link.type, link.linkname = kind, str(tmp_path)
        archive.addfile(link)
    with pytest.raises(InputError, match="not a backup"):
        restore(settings_of(tmp_path / "shop"), evil)
    assert not (tmp_path / "shop").exists()


def test_a_backup_comes_back_where_python_has_no_filter_for_archives(
    shop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.11.2, which is that of Debian 12."""

    def refuse(self: tarfile.TarFile, *arguments: object, **options: object) -> None:
        assert "filter" not in options

    monkeypatch.setattr(tarfile.TarFile, "extractall", refuse)
    made = back_up(shop, tmp_path / "monday.tar.gz")
    back = settings_of(tmp_path / "other")
    restore(back, made.path)
    [kept] = back.lake_dir.rglob("*.parquet")
    assert kept.read_bytes() == b"rows"


def test_a_backup_does_not_wait_for_a_build(shop: Settings, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('create table t (i int)');"
        " print('open', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(shop.warehouse_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout
    writer.stdout.readline()
    try:
        with pytest.raises(InputError, match="the warehouse is being written"):
            back_up(shop, tmp_path / "b.tar.gz")
    finally:
        writer.kill()
        writer.wait()
    assert not (tmp_path / "b.tar.gz").exists()


def test_a_state_in_postgresql_is_left_to_its_own_tools(shop: Settings, tmp_path: Path) -> None:
    elsewhere = settings_of(shop.data_dir, "postgresql+psycopg://ledger@/ledger")
    made = back_up(elsewhere, tmp_path / "b.tar.gz")
    assert made.left_out == ("the state database: back it up with pg_dump at the same time",)
    assert made.file_count == 3
    assert sa.make_url(elsewhere.state_url.get_secret_value()).database == "ledger"

"""The two services of a shop: what a supervisor starts, and ends."""

from __future__ import annotations

import configparser
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import httpx
import pytest
from filelock import FileLock
from tiny_settings import free_port

from marketing_platform.settings import Settings
from marketing_platform.tls import trusted

ROOT = Path(__file__).parent.parent.parent


def told_of(settings: Settings) -> dict[str, str]:
    variables = {
        "MARKETING_PLATFORM_DATA_DIR": str(settings.data_dir),
        "MARKETING_PLATFORM_CONFIG_DIR": str(settings.config_dir),
    }
    return {**os.environ, **variables}


def started(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    log = (settings.data_dir / "service.log").open("wb")
    return subprocess.Popen(
        [sys.executable, "-m", "marketing_platform.cli", *arguments],
        env=told_of(settings), stdout=log, stderr=log, cwd=settings.data_dir,
    )  # fmt: skip


def wait_until(
    is_so: Callable[[], bool], process: subprocess.Popen[bytes], settings: Settings
) -> None:
    end = time.monotonic() + 120
    while not is_so():
        assert process.poll() is None, (settings.data_dir / "service.log").read_text()[-2000:]
        assert time.monotonic() < end, "it does not come up"
        time.sleep(0.3)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    finally:
        process.kill()


def test_the_daemon_runs_on_the_shop_and_ends_when_it_is_told(tiny_shop: Settings) -> None:
    process = started(tiny_shop, "daemon")
    try:
        home = tiny_shop.dagster_home
        wait_until((home / "dagster.yaml").exists, process, tiny_shop)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            wait_until(lambda: "SENSOR" in instance.get_daemon_heartbeats(), process, tiny_shop)
        # A second one would start each run, and tell each incident, once more.
        for command in (("daemon",), ("up", "--port", str(free_port()))):
            again = subprocess.run(
                [sys.executable, "-m", "marketing_platform.cli", *command],
                env=told_of(tiny_shop), capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert again.returncode == 2
            [line] = again.stderr.splitlines()
            assert "run already" in line and "`marketing-platform web`" in line
    finally:
        end(process)
    FileLock(home / "daemon.lock").acquire(timeout=30)


def test_services_that_start_at_once_on_a_new_home_do_not_trip_over_each_other(
    tmp_path: Path,
) -> None:
    # Four processes that begin at the same word; what they import, which takes seconds, is imported
    # once.
    opens = """
import os, sys, traceback
import dagster as dg
from marketing_platform.definitions import prepare_instance
from marketing_platform.settings import load_settings
word, go = os.pipe()
children = []
for _ in range(4):
    if child := os.fork():
        children.append(child)
        continue
    os.close(go)
    os.read(word, 1)
    try:
        home = prepare_instance(load_settings())
        with dg.DagsterInstance.from_config(str(home)) as instance:
            instance.get_daemon_heartbeats(), instance.get_runs(limit=1)
            instance.all_instigator_state()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
os.close(go)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    done = subprocess.run(
        [sys.executable, "-c", opens], capture_output=True, text=True, check=False,
        env={**os.environ, "MARKETING_PLATFORM_DATA_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[0, 0, 0, 0]\n"), done.stderr


def test_the_ui_is_served_for_a_proxy_to_stand_before(tiny_shop: Settings) -> None:
    port = free_port()

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/server_info", verify=trusted()).is_success
        except httpx.HTTPError:
            return False

    process = started(tiny_shop, "web", "--port", str(port))
    try:
        wait_until(answers, process, tiny_shop)
    finally:
        end(process)


@pytest.mark.parametrize("service", ["daemon", "web"])
def test_a_unit_starts_a_command_that_there_is(service: str) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / f"marketing-platform-{service}.service")
    program, command, *arguments = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "marketing-platform"
    assert command == service
    done = subprocess.run(
        [sys.executable, "-m", "marketing_platform.cli", command, *arguments, "--help"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0

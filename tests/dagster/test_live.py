"""The real UI, the real daemon, SQLite storage: the sensor starts activation by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tiny_orders import order_lines

from marketing_platform.definitions import run_job
from marketing_platform.demo.receiver import Receiver
from marketing_platform.settings import CONFIG_DIR_VARIABLE, DATA_DIR_VARIABLE, load_settings
from marketing_platform.shop import remember_input
from marketing_platform.sources.files.ingest import ingest

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 150


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, done: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"waited {PATIENCE_SECONDS} s for {what}")


@contextmanager
def user_interface(data: Path, port: int) -> Iterator[str]:
    """`marketing-platform up` on a data folder, stopped as Ctrl-C stops it."""
    environment = {
        **os.environ,
        DATA_DIR_VARIABLE: str(data),
        CONFIG_DIR_VARIABLE: str(ROOT / "config"),
    }
    command = [sys.executable, "-m", "marketing_platform.cli", "up", "--port", str(port)]
    log = (data / "up.log").open("w")
    process = subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=data
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def ask(url: str, query: str) -> dict[str, Any]:
    try:
        answer = httpx.post(f"{url}/graphql", json={"query": query}, timeout=10)
    except httpx.HTTPError:
        return {}
    return dict(answer.json().get("data") or {}) if answer.status_code == 200 else {}


@pytest.mark.timeout(480)
def test_the_daemon_starts_the_activation_by_itself_and_the_rows_arrive(tmp_path: Path) -> None:
    data = tmp_path / "data"
    orders = tmp_path / "orders.csv"
    orders.write_text(order_lines(), encoding="utf-8")
    with Receiver() as receiver:
        remember_input(
            data,
            {
                "clock": "newest_record",
                "sources": {"files": {"orders": {"path": str(orders)}}},
                "destinations": {"receiver": {"type": "webhook", "url": receiver.url}},
                "activations": [{"segment": "new_customers", "destination": "receiver"}],
            },
        )
        settings = load_settings(config_dir=ROOT / "config", data_dir=data)
        ingest(settings, "orders")
        assert run_job(settings, "build").success
        assert not receiver.received.rows, "building sends nothing"
        with user_interface(data, free_port()) as url:
            groups = wait_for(
                "the UI", lambda: ask(url, "{assetNodes {groupName assetKey {path}}}")
            )
            assert {node["groupName"] for node in groups["assetNodes"]} >= {
                "raw", "staging", "core", "identity", "profiles", "predictions", "segments",
                "activation", "quality",
            }  # fmt: skip
            wait_for("the rows", lambda: len(receiver.received.rows) == 12)
            runs = wait_for("the end of the run", lambda: succeeded(url))
        assert runs == ["activation"], "the sensor starts activation once, and nothing else"
        assert all(times == 1 for times in receiver.received.seen.values())


def succeeded(url: str) -> list[str]:
    """Jobs of successful runs that a sensor started."""
    found = ask(url, "{runsOrError {... on Runs {results {jobName status tags {key value}}}}}")
    results = found.get("runsOrError", {}).get("results", [])
    return [
        run["jobName"]
        for run in results
        if run["status"] == "SUCCESS"
        and any(tag["key"] == "dagster/sensor_name" for tag in run["tags"])
    ]

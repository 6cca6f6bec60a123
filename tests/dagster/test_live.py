"""The real UI and the real daemon on SQLite storage, through a bad week.

Nobody touches anything but the source. Its loads are launched here, as the schedule would at six.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import sqlalchemy as sa
from inbox import Inbox
from tiny_orders import half, living_lines
from tiny_settings import ROOT, free_port

from assets.names import WAREHOUSE_POOL
from marketing_platform.activation.balance import conservation
from marketing_platform.definitions import prepare_instance, run_job
from marketing_platform.demo.receiver import Receiver
from marketing_platform.quality.holds import find_holds
from marketing_platform.quality.incidents import open_incidents
from marketing_platform.settings import (
    CONFIG_DIR_VARIABLE,
    DATA_DIR_VARIABLE,
    Settings,
    load_settings,
)
from marketing_platform.shop import remember_input
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.state import open_state
from resources.dead_runs import PROCESS_TAG
from sensors.schedules import load_tags

# Machines are shared, and some are slow.
PATIENCE_SECONDS = 480
NEWEST = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0) - dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
DAYS = 30
BUYERS, NEW_BUYERS = 60, 5


def wait_for(what: str, done: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"waited {PATIENCE_SECONDS} s for {what}")


class Services:
    """`marketing-platform up` on a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {
            **os.environ,
            DATA_DIR_VARIABLE: str(self.data),
            CONFIG_DIR_VARIABLE: str(ROOT / "config"),
        }
        command = [sys.executable, "-m", "marketing_platform.cli", "up", "--port", str(self.port)]
        with (self.data / "up.log").open("a") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True,
                cwd=self.data,
            )  # fmt: skip

    def lose_power(self) -> None:
        """Nothing of it, runs neither, has a moment to say a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """As Ctrl-C ends it."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.lose_power()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        content = {"query": query, "variables": variables}
        try:
            answer = httpx.post(f"{self.url}/graphql", json=content, timeout=10)
        except httpx.HTTPError:
            return {}
        return dict(answer.json().get("data") or {}) if answer.status_code == 200 else {}

    def load(self) -> str:
        """Launch what the schedule launches; the id of the run."""
        today = dt.datetime.now(dt.UTC).date()
        tags = load_tags(today - dt.timedelta(days=7), today)
        parameters = {
            "selector": {
                "repositoryLocationName": "marketing_platform",
                "repositoryName": "__repository__",
                "jobName": "ingest",
            },
            "executionMetadata": {
                "tags": [{"key": name, "value": value} for name, value in tags.items()]
            },
        }
        launched = self.ask(
            "mutation ($parameters: ExecutionParams!) {launchRun(executionParams: $parameters)"
            " {__typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}",
            parameters=parameters,
        )
        assert launched["launchRun"]["__typename"] == "LaunchRunSuccess", launched
        return str(launched["launchRun"]["run"]["runId"])

    def groups(self) -> set[str]:
        found = self.ask("{assetNodes {groupName}}").get("assetNodes", [])
        return {node["groupName"] for node in found}


@pytest.mark.timeout(1500)
def test_a_source_breaks_the_machine_dies_in_a_run_and_all_is_well_again_by_itself(
    tmp_path: Path,
) -> None:
    data, orders = tmp_path / "data", tmp_path / "orders.csv"
    orders.write_text(living_lines(NEWEST - 2 * DAY, DAYS - 2), encoding="utf-8")
    services = Services(data)
    with Receiver() as receiver, Inbox() as alerts:
        remember_input(
            data,
            {
                "sources": {"files": {"orders": {"path": str(orders)}}},
                "destinations": {"receiver": {"type": "webhook", "url": receiver.url}},
                "activations": [{"segment": "recent_purchasers", "destination": "receiver"}],
                "alerts": {"webhook_url": alerts.url},
                "freshness": {"sources": {"files": {"late_hours": 26, "stale_hours": 40}}},
            },
        )
        settings = load_settings(config_dir=ROOT / "config", data_dir=data)
        state = open_state(settings.state_url.get_secret_value())
        ingest(settings, "orders")
        assert run_job(settings, "build").success
        assert not receiver.received.rows, "building sends nothing"
        services.start()
        try:
            wait_for("the UI", services.groups)
            assert services.groups() >= {
                "raw", "staging", "core", "identity", "profiles", "predictions", "segments",
                "activation", "quality",
            }  # fmt: skip

            # Nothing came for two days: the newest order is older than it may be.
            late = "source:files:orders"
            wait_for("the incident", lambda: late in keys_of(state))
            wait_for("the alert", lambda: "49 hours old" in str(alerts.got))
            assert any("49 hours old" in hold for hold in find_holds(state, settings))
            assert not receiver.received.rows

            # One of the days comes.
            orders.write_text(living_lines(NEWEST - DAY, DAYS - 1), encoding="utf-8")
            services.load()
            wait_for("the rows", lambda: len(receiver.received.rows) == BUYERS)
            wait_for("its end", lambda: late not in keys_of(state))

            # Half of a day does not come.
            orders.write_text(living_lines(NEWEST, DAYS, NEW_BUYERS, half), encoding="utf-8")
            services.load()
            key = "check:core.orders:is_plausible"
            wait_for("the incident", lambda: key in keys_of(state))
            wait_for("the alert", lambda: "is_plausible" in str(alerts.got))
            (incident,) = [one for one in open_incidents(state) if one.key == key]
            assert incident.holds == "all activations"
            assert any("is_plausible" in hold for hold in find_holds(state, settings))

            # The next load brings all, but is killed while it holds the warehouse, and with it the
            # daemon and the UI. They come up again.
            orders.write_text(living_lines(NEWEST, DAYS, NEW_BUYERS), encoding="utf-8")
            lost = services.load()
            wait_for("the run at work", lambda: holds_the_warehouse(settings, lost))
            services.lose_power()
            # What was odd, or, where the run had mended that, what it left half built.
            assert find_holds(state, settings)
            services.start()
            ended = wait_for("the end of the lost run", lambda: ended_run(settings, lost))
            assert ended.status is dg.DagsterRunStatus.FAILURE

            # The load is tried again by itself, and the rest follows.
            everybody = BUYERS + NEW_BUYERS
            wait_for("the new rows", lambda: len(receiver.received.rows) == everybody)
            assert find_holds(state, settings) == []
            wait_for("its end", lambda: key not in keys_of(state))
        finally:
            services.end()
        assert set(receiver.received.seen.values()) == {1}, "nobody is told twice"
        assert conservation(state, only_broken=True) == []


def keys_of(state: sa.Engine) -> set[str]:
    return {one.key for one in open_incidents(state)}


def run_of(settings: Settings, run_id: str) -> dg.DagsterRun:
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def ended_run(settings: Settings, run_id: str) -> dg.DagsterRun | None:
    run = run_of(settings, run_id)
    return run if run.is_finished else None


def holds_the_warehouse(settings: Settings, run_id: str) -> bool:
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:
        found = instance.event_log_storage.get_concurrency_info(WAREHOUSE_POOL)
    return run_id in found.active_run_ids and PROCESS_TAG in run_of(settings, run_id).tags

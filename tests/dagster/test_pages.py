"""What people see of the shop in the UI, in a real browser."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import httpx
import pytest
import small_browser
from tiny_settings import free_port

from marketing_platform.definitions import prepare_instance
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import CONFIG_DIR_VARIABLE, DATA_DIR_VARIABLE, Settings
from marketing_platform.shop import remember_input
from marketing_platform.state import open_state
from sensors.alerts import alert_sensors

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def browser() -> Iterator[small_browser.Browser]:
    if small_browser.PROGRAM is None:
        assert not os.environ.get("CI"), "chromium is not installed"
        pytest.skip("chromium is not installed")
    with small_browser.Browser() as browser:
        yield browser


@pytest.fixture
def url(built: Settings) -> Iterator[str]:
    """The address of the UI on the built shop."""
    orders = str(built.platform.sources.files["orders"].path)
    overlay = {"clock": "newest_record", "sources": {"files": {"orders": {"path": orders}}}}
    remember_input(built.data_dir, overlay)
    port = free_port()
    variables = {
        DATA_DIR_VARIABLE: str(built.data_dir),
        CONFIG_DIR_VARIABLE: str(built.config_dir),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "marketing_platform.cli", "web", "--port", str(port)],
        env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                httpx.get(f"{address}/server_info").raise_for_status()
                break
            except httpx.HTTPError:
                continue
        yield address
    finally:
        process.terminate()
        process.wait(60)


def test_the_lineage_shows_the_layers_and_the_health_page_what_is_wrong(
    built: Settings, url: str, browser: small_browser.Browser, tmp_path: Path
) -> None:
    browser.open(f"{url}/asset-groups")
    browser.wait_for(
        "Global asset lineage", "raw", "staging", "core", "identity", "profiles", "predictions",
        "segments", "activation", "quality",
    )  # fmt: skip
    look_at(browser, tmp_path / "lineage.png")

    state = open_state(built.state_url.get_secret_value())
    record_check(state, CheckResult("core.orders", "is_plausible", False, "20 records, 40 before"))
    (watch,) = [one for one in alert_sensors(built) if one.name == "incidents"]
    with dg.DagsterInstance.from_config(str(prepare_instance(built))) as instance:
        with dg.build_sensor_context(instance=instance) as context:
            told = watch(context)
        (page,) = told.asset_events
        instance.report_runless_asset_event(page)
    browser.open(f"{url}/assets/quality/health?view=events")
    browser.click("[Show Markdown]")
    browser.wait_for(
        "Activation is held.", "core.orders: is_plausible failed", "20 records, 40 before",
        "all activations", "Messages",
    )  # fmt: skip
    look_at(browser, tmp_path / "health.png")


def look_at(browser: small_browser.Browser, path: Path) -> None:
    """A picture of a whole window, and not an empty one."""
    browser.picture(path)
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert width == 1600
    assert height > 800
    # A window of one colour is packed to a few kilobytes.
    assert len(content) > 20_000

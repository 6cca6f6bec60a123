"""The demo's systems and receiver: the same after a restart, and gone with who started them."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from marketing_platform.demo.stand import Stand, is_planned, plan
from marketing_platform.settings import load_settings
from marketing_platform.shop import remember_input
from marketing_platform.sources.active import active_sources

ROOT = Path(__file__).parent.parent.parent
END = dt.date(2026, 3, 31)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of a demo that is planned."""
    plan(tmp_path / "demo", customers=50, seed=3, end=END, days=60)
    return tmp_path / "demo"


def answers(settings: dict[str, str], token: Path) -> int:
    """The status of a question to Stripe's account, asked with the secret in the file."""
    headers = {"Authorization": f"Bearer {token.read_text()}"}
    params = {"limit": 1}
    return httpx.get(
        f"{settings['base_url']}/v1/charges", headers=headers, params=params
    ).status_code


def test_a_stand_that_starts_again_is_found_at_the_same_place_with_the_same_secrets(
    folder: Path,
) -> None:
    found = []
    for _ in range(2):
        with Stand(folder) as stand:
            shop = stand.settings({"vip": ["email"]})
            settings = stand.sandbox.settings("stripe")
            assert answers(settings, folder / "secrets" / "stripe.api_key") == 200
            found.append((stand.sandbox.port, stand.receiver.url, shop))
    assert found[0] == found[1]


def test_a_demo_leaves_the_systems_alone_that_somebody_has_configured(
    folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config" / "segments", config / "segments")
    (config / "platform.yaml").write_text(
        "sources: {woocommerce: {url: 'https://mine.example', consumer_key: '${KEY}',"
        " consumer_secret: '${SECRET}'}}\n"
        "destinations: {crm: {type: webhook, url: 'https://crm.example'}}\n"
        "activations: [{segment: vip, destination: crm}]\n"
    )
    with Stand(folder) as stand:
        remember_input(folder, stand.settings({"vip": ["email"]}))
        settings = load_settings(config_dir=config, data_dir=folder, environ={})
    names = {source.name for source in active_sources(settings)}
    assert "woocommerce" not in names
    assert {"shopify", "stripe", "segment_events"} <= names
    assert set(settings.platform.destinations) == {"receiver", "feeds"}


def test_a_stand_beside_a_process_ends_with_it(folder: Path) -> None:
    with Stand(folder) as stand:
        url = stand.sandbox.address
    program = (
        "import sys, pathlib; from marketing_platform.commands.simulated import start_stand\n"
        "start_stand(pathlib.Path(sys.argv[1])); print('there', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    settings = json.loads((folder / "shop.json").read_text())["sources"]["stripe"]
    assert settings["base_url"].startswith(url)
    assert answers(settings, folder / "secrets" / "stripe.api_key") == 200
    process.communicate("")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(url)
        except httpx.ConnectError:
            break
        time.sleep(0.2)
    else:
        pytest.fail("it is still there")


def test_a_folder_without_a_demo_has_no_stand(tmp_path: Path) -> None:
    assert not is_planned(tmp_path)

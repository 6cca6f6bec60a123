"""The receiver as a program, and the credentials that it asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import sqlalchemy as sa
from small_shop import SmallShop, small_settings, webhook

from marketing_platform.activation import activate, failures
from marketing_platform.demo.receiver import Fault, Receiver
from marketing_platform.state import open_state


def open_ledger(folder: Path) -> sa.Engine:
    return open_state(f"sqlite:///{folder / 'state.db'}")


def test_the_receiver_runs_as_a_program_and_keeps_a_log(shop: SmallShop, tmp_path: Path) -> None:
    log = tmp_path / "received.jsonl"
    command = [sys.executable, "-m", "marketing_platform.demo.receiver", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = program.stdout.readline().split()[-1]
        httpx.post(url.replace("/rows", "/misbehave"), json={"kind": "status", "status": 503})
        shop.fill(25)
        settings = small_settings(tmp_path, {"crm": webhook(url)})
        _, report = activate(shop.warehouse, open_ledger(tmp_path), settings)
        summary = httpx.get(url.replace("/rows", "/received")).json()
        program.terminate()
        rest = program.stdout.read()
    assert report.sent_count == 25
    assert summary["rows_accepted"] == 25
    assert json.loads(rest) == summary
    customers = [json.loads(line)["customer_id"] for line in log.read_text().splitlines()]
    assert sorted(customers) == [f"c{number:05}" for number in range(25)]
    assert program.returncode == 0


def test_a_receiver_that_repeats_its_address_brings_no_secret_of_it_into_the_ledger(
    shop: SmallShop, tmp_path: Path
) -> None:
    shop.fill(3)
    engine = open_ledger(tmp_path)
    said = "Cannot POST /hooks/T0/open-sesame?sig=5d41402abc4b2a76"
    with Receiver() as receiver:
        url = receiver.url.replace("/rows", said.removeprefix("Cannot POST "))
        settings = small_settings(tmp_path, {"crm": webhook(url)})
        for status, words in ((404, said), (400, "sig 5d41402abc4b2a76 is over")):
            receiver.misbehave(Fault("status", 9, status, json.dumps({"message": words})))
            _, report = activate(shop.warehouse, engine, settings)
            told = f"{report.destinations[0].stopped} {failures(engine)}"
            assert str(status) in told
            assert "sesame" not in told
            assert "5d41402abc4b2a76" not in told
            receiver.behave()


def test_the_token_goes_along_as_a_bearer_token(shop: SmallShop, tmp_path: Path) -> None:
    shop.fill(3)
    engine = open_ledger(tmp_path)
    with Receiver(token="open sesame") as receiver:
        wrong = small_settings(tmp_path, {"crm": webhook(receiver.url, token="guess")})
        _, report = activate(shop.warehouse, engine, wrong)
        assert "refuses the credentials (401 bad token)" in str(report.destinations[0].stopped)
        right = small_settings(tmp_path, {"crm": webhook(receiver.url, token="open sesame")})
        _, report = activate(shop.warehouse, engine, right)
        assert report.sent_count == 3

"""The demo shop, the stand from which it lives, and the sandbox of the vendors."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from marketing_platform.commands.places import shown
from marketing_platform.commands.running import run_everything
from marketing_platform.errors import InputError
from marketing_platform.settings import load_settings
from marketing_platform.shop import claim_folder, remember_input

_DEMO_DAYS = 540


def run_demo(console: Console, customers: int, seed: int, as_of: dt.date | None) -> None:
    """Serve the demo shop's systems and a receiver on the loopback, and run everything on them."""
    from marketing_platform.demo.stand import Stand, plan

    folder = claim_folder("demo")
    end = as_of or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    plan(folder, customers=customers, seed=seed, end=end, days=_DEMO_DAYS)
    with console.status("Making the shop"):
        stand = Stand(folder).__enter__()
    with stand:
        remember_input(folder, stand.settings(_told()))
        console.print(
            f"A shop of {stand.person_count:,} people until {end}; its systems are served at"
            f" {stand.sandbox.address}, a receiver at {stand.receiver.url}",
            highlight=False,
        )
        run_everything(console, load_settings(data_dir=folder))
        counts = stand.receiver.received.summary()
    console.print(
        f"The receiver took {counts['rows_accepted']:,} rows in {counts['requests']:,} requests;"
        f" they lie in {shown(folder / 'received.jsonl')}",
        highlight=False,
    )


def serve_stand(folder: Path, parent: int) -> None:
    """Serve a demo's systems and receiver until the process `parent` is no more."""
    from marketing_platform.demo.stand import Stand

    with Stand(folder) as stand:
        remember_input(folder, stand.settings(_told()))
        print("ready", flush=True)
        while os.getppid() == parent:
            time.sleep(0.5)


def start_stand(folder: Path) -> None:
    """Serve a demo's systems and receiver from a process beside this one; it ends with this one."""
    command = [sys.executable, "-m", "marketing_platform.cli", "stand", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert child.stdout is not None  # noqa: S101 - tells the type checker
    # It is ready, or it has told on the terminal why it is not.
    child.stdout.readline()


def serve_sandbox(
    console: Console,
    customers: int,
    seed: int,
    as_of: dt.date | None,
    port: int,
    fault_share: float,
    vendors: list[str],
) -> None:
    """Serve the simulated shop until Ctrl-C, and say how to make it the sources of a shop."""
    import yaml

    from marketing_platform.demo.sandbox.config import demo_sources, event_files
    from marketing_platform.demo.sandbox.facts import make_facts
    from marketing_platform.demo.sandbox.faults import Faults
    from marketing_platform.demo.sandbox.server import Sandbox, vendor_names

    unknown = sorted(set(vendors) - set(vendor_names()))
    if unknown:
        known = ", ".join(vendor_names())
        raise InputError("not served by the sandbox", where=unknown[0], mend=f"There are: {known}")
    end = as_of or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    with console.status("Making the shop"):
        facts = make_facts(customers=customers, seed=seed, end=end, days=_DEMO_DAYS)
        sandbox = Sandbox(
            facts, faults=Faults(share=fault_share), vendors=vendors or None, port=port
        )
    secrets_folder = load_settings().data_dir / "sandbox"
    with sandbox:
        sources = demo_sources(sandbox, secrets_folder)
        if not vendors:
            sources |= event_files(sandbox, secrets_folder / "site")
        console.print(f"The shop until {end}; put this into config/platform.yaml:\n")
        # Plain, so that it can be copied: no wrapping, no markup.
        print(yaml.safe_dump({"sources": sources}, sort_keys=False, width=1000), flush=True)
        console.print(f"The secrets lie in {shown(secrets_folder)}. Ctrl-C ends it.")
        try:
            # A wait without an end is not always woken by the signal while other threads run.
            while True:
                time.sleep(0.5)
        except KeyboardInterrupt:
            console.print("Ended.")


def _told() -> dict[str, tuple[str, ...]]:
    """The segments that the configuration activates, with what is told of their members."""
    rules = load_settings().platform.activations
    return {rule.segment: rule.attributes for rule in sorted(rules, key=lambda one: one.segment)}

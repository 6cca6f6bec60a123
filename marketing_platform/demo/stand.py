"""The other side of the demo: the shop's systems and a receiver, on the loopback.

    plan(folder, customers=3000, seed=7, end=yesterday, days=540)
    with Stand(folder) as stand:
        stand.settings({"vip": ["email"]})  # what makes them a shop's sources and receiver

What was simulated, the ports and the secrets lie in the folder, so that the demo's shop finds its
systems again at the next start.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from marketing_platform.demo.receiver import Receiver
from marketing_platform.demo.sandbox.config import demo_sources, event_files, kept_credentials
from marketing_platform.demo.sandbox.facts import make_facts
from marketing_platform.demo.sandbox.server import Sandbox

VENDORS = ("shopify", "stripe", "hubspot", "klaviyo", "google_ads", "meta_ads", "ga4")
"""The systems of the demo's shop, besides the events of its site."""

_PLAN = "stand.json"


@dataclass(frozen=True)
class Plan:
    """What is simulated: so many customers for so many days, of which `end` is the last (UTC)."""

    customers: int
    seed: int
    end: str
    days: int
    sandbox_port: int = 0
    receiver_port: int = 0

    @property
    def last_day(self) -> dt.date:
        """The last day of the simulation."""
        return dt.date.fromisoformat(self.end)


def is_planned(folder: Path) -> bool:
    """Whether a demo's other side belongs to this data folder."""
    return (folder / _PLAN).exists()


def plan(folder: Path, *, customers: int, seed: int, end: dt.date, days: int) -> None:
    """Say what the stand of this folder simulates."""
    wanted = Plan(customers, seed, end.isoformat(), days)
    if is_planned(folder):
        known = _read(folder)
        wanted = replace(wanted, sandbox_port=known.sandbox_port, receiver_port=known.receiver_port)
    _write(folder, wanted)


class Stand:
    """Serves from `with` to the end of it what the plan in the folder says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secrets = folder / "secrets"
        self._plan = _read(folder)
        self._opened = ExitStack()

    def __enter__(self) -> Stand:
        plan, folder = self._plan, self._folder
        facts = make_facts(
            customers=plan.customers, seed=plan.seed, end=plan.last_day, days=plan.days
        )
        self.person_count = facts.people.height
        self.receiver = self._opened.enter_context(
            Receiver(
                port=_free(plan.receiver_port),
                log=folder / "received.jsonl",
                token=_kept_token(self._secrets / "receiver.token"),
            )
        )
        self.sandbox = self._opened.enter_context(
            Sandbox(
                facts,
                vendors=VENDORS,
                port=_free(plan.sandbox_port),
                credentials=kept_credentials(VENDORS, self._secrets),
            )
        )
        self._sources = demo_sources(self.sandbox, self._secrets)
        self._sources |= event_files(self.sandbox, folder / "site")
        for system in self._sources.values():
            system["history_start"] = facts.start.date().isoformat()
        # Klaviyo tells of the messages; whoever sends with HubSpot too would hear of both.
        self._sources["hubspot"]["streams"] = ["contacts", "deals", "tickets", "owners"]
        self._sources["klaviyo"]["streams"] = ["events", "profiles", "reviews"]
        kept = replace(plan, sandbox_port=self.sandbox.port, receiver_port=self.receiver.port)
        _write(folder, kept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def settings(self, told: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """The settings of a shop that these systems are the sources of.

        `told` has the attributes to send along by segment.
        """
        receiver = {
            "type": "webhook",
            "url": self.receiver.url,
            "token": f"${{file:{(self._secrets / 'receiver.token').resolve()}}}",
            "requires": ["email"],
            "consent": "email",
        }
        return {
            # A demo never talks to the systems that somebody may have configured.
            "replaces": ["sources", "destinations", "activations", "feeds"],
            "shop": {"name": "Demo shop", "currency": "EUR"},
            "clock": self._plan.end,
            "sources": self._sources,
            "destinations": {"receiver": receiver, "feeds": {"type": "files", "format": "csv"}},
            "feeds": {"google": {"sources": ["shopify"]}},
            "activations": [
                {"segment": segment, "destination": destination, "attributes": [*attributes]}
                for segment, attributes in told.items()
                for destination in ("receiver", "feeds")
            ],
        }


def _read(folder: Path) -> Plan:
    return Plan(**json.loads((folder / _PLAN).read_text(encoding="utf-8")))


def _write(folder: Path, plan: Plan) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PLAN).write_text(json.dumps(asdict(plan), indent=2), encoding="utf-8")


def _free(port: int) -> int:
    """This port, or 0 (any) where something else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _kept_token(path: Path) -> str:
    if path.exists():
        return path.read_text(encoding="utf-8")
    token = secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(token, encoding="utf-8")
    return token

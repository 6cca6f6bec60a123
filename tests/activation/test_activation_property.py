"""Any order of plans, sends, crashes and retries, with a vendor in any mood: the sums add up, and
when calm returns the vendor has exactly those whom it should have.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from small_shop import SmallShop, small_settings, webhook

from marketing_platform.activation import (
    conservation,
    dispatch,
    ledger_sums,
    plan_all,
    retry,
)
from marketing_platform.activation.claims import OTHERS, REMOVALS, Holder, claim
from marketing_platform.destinations import Answer, Batch, Row, RowAnswer
from marketing_platform.state import messages, open_state, plans, reading

CUSTOMERS = ("a", "b", "c", "d", "e")
MOODS = ("good", "picky", "strict", "busy", "deaf", "forgetful", "closed", "vague")


class Vendor:
    """A destination with a mood, which drops rows whose key it has seen."""

    name = "crm"
    batch_size = 2
    concurrency = 1
    is_idempotent = True
    is_full_feed = False
    calls_per_run = 1
    retry_seconds = 0.0
    max_wait_seconds = 0.0
    max_attempts = 3

    def __init__(self) -> None:
        self.mood = "good"
        self.keys: set[str] = set()
        self.audience: dict[str, str] = {}

    async def send(self, batch: Batch) -> Answer:
        return self.receive(batch.rows)

    def receive(self, rows: Sequence[Row]) -> Answer:
        if self.mood == "closed":
            return Answer("stop", "bad token", is_counted=False)
        if self.mood == "busy":
            return Answer("retry", "503")
        if self.mood == "deaf":
            return Answer("retry", "no answer", may_have_arrived=True)
        if self.mood == "strict" and any(row.customer_id in "ab" for row in rows):
            return Answer("refused", "400 bad batch")
        answers = {row.key: self.take(row) for row in rows}
        if self.mood == "forgetful":
            return Answer("retry", "no answer", may_have_arrived=True)
        if self.mood == "vague":
            answers = dict(list(answers.items())[:1])
        return Answer("accepted", rows=answers)

    def take(self, row: Row) -> RowAnswer:
        if self.mood == "picky" and row.customer_id in "bc":
            return RowAnswer("error", "bad row")
        if row.key in self.keys:
            return RowAnswer("duplicate")
        self.keys.add(row.key)
        if row.operation == "remove":
            self.audience.pop(row.customer_id, None)
        else:
            self.audience[row.customer_id] = str(row.payload["first_name"])
        return RowAnswer("ok")

    def missing(self) -> tuple[str, ...]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""


class Ledger(RuleBasedStateMachine):
    """The shop changes, the platform runs and dies, the vendor has its moods."""

    url: str

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-property-"))
        self.engine = open_state(self.url.format(folder=self.folder))
        if self.engine.dialect.name == "postgresql":
            with self.engine.begin() as connection:
                connection.execute(sa.text("truncate plans, batches, messages cascade"))
        self.shop = SmallShop()
        for customer in CUSTOMERS:
            self.shop.know(customer, first_name="x")
        self.vendor = Vendor()
        self.settings = small_settings(
            self.folder,
            {"crm": webhook("http://127.0.0.1:9", consent="email")},
            minimum_audience=10**6,
        )
        self.members: set[str] = set()
        self.names = dict.fromkeys(CUSTOMERS, "x")
        self.agreed = set(CUSTOMERS)
        self.now = dt.datetime.now(dt.UTC)

    @rule(members=st.sets(st.sampled_from(CUSTOMERS)))
    def change_members(self, members: set[str]) -> None:
        self.members = members
        self.shop.members(members)

    @rule(customer=st.sampled_from(CUSTOMERS), name=st.sampled_from("xyz"))
    def change_name(self, customer: str, name: str) -> None:
        self.names[customer] = name
        self.shop.know(customer, first_name=name)

    @rule(customer=st.sampled_from(CUSTOMERS), agrees=st.booleans())
    def change_consent(self, customer: str, agrees: bool) -> None:
        (self.agreed.add if agrees else self.agreed.discard)(customer)
        self.shop.know(customer, has_email_consent=agrees)

    @rule(mood=st.sampled_from(MOODS))
    def change_mood(self, mood: str) -> None:
        self.vendor.mood = mood

    @rule(held=st.sampled_from([False, False, False, True]))
    def plan(self, held: bool) -> None:
        holds = ["something is stale"] if held else []
        plan_all(self.shop.warehouse, self.engine, self.settings, holds=holds)

    @rule(hours=st.sampled_from([0, 0, 1, 12]))
    def send(self, hours: int) -> None:
        self.now += dt.timedelta(hours=hours)
        self.dispatch()

    @rule(phase=st.sampled_from([REMOVALS, OTHERS]), arrived=st.booleans())
    def die_while_sending(self, phase: str, arrived: bool) -> None:
        holder = Holder("gone|1|1|x", self.now, self.now)
        claimed = claim(self.engine, self.vendor, phase, holder)
        if claimed and arrived:
            self.vendor.receive(claimed.batch.rows)

    @rule()
    def retry_failures(self) -> None:
        retry(self.engine, now=self.now)

    def dispatch(self) -> None:
        dispatch(self.engine, self.settings, now=lambda: self.now, make=lambda name, _: self.vendor)

    @invariant()
    def every_plan_adds_up(self) -> None:
        if not hasattr(self, "engine"):
            return
        assert conservation(self.engine, only_broken=True) == []
        sums = ledger_sums(self.engine)
        parts = ("sent", "suppressed", "deferred", "failed")
        assert sums["eligible"] == sum(sums[part] for part in parts)
        with reading(self.engine) as connection:
            written = connection.execute(sa.select(sa.func.count()).select_from(messages)).scalar()
            planned = connection.execute(sa.select(sa.func.sum(plans.c.eligible_count))).scalar()
        assert written == (planned or 0)

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        try:
            self.calm_returns()
        finally:
            self.engine.dispose()
            shutil.rmtree(self.folder, ignore_errors=True)

    def calm_returns(self) -> None:
        """A good vendor, and a few runs in which nothing else happens."""
        self.vendor.mood = "good"
        for _ in range(3):
            self.now += dt.timedelta(days=1)
            plan_all(self.shop.warehouse, self.engine, self.settings)
            retry(self.engine, now=self.now)
            self.dispatch()
        wanted = self.members & self.agreed
        assert self.vendor.audience == {name: self.names[name] for name in wanted}
        sums = ledger_sums(self.engine)
        assert sums["deferred"] == 0
        assert self.vendor.keys >= self.sent_keys(), "sent, says the ledger, and nobody received it"
        plan_all(self.shop.warehouse, self.engine, self.settings)
        assert ledger_sums(self.engine) == sums, "calm, and still something to say"

    def sent_keys(self) -> set[str]:
        with reading(self.engine) as connection:
            rows = connection.execute(
                sa.select(messages.c.message_key).where(messages.c.state == "sent")
            )
            return {row.message_key for row in rows}


def explore(url: str, examples: int) -> None:
    machine: Any = type("OneLedger", (Ledger,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_in_any_order_of_events_the_sums_add_up_and_the_vendor_agrees_in_the_end() -> None:
    explore("sqlite:///{folder}/state.db", examples=12)


def test_the_same_on_postgresql(postgres_url: str) -> None:
    explore(postgres_url, examples=5)


@pytest.mark.parametrize("mood", MOODS)
def test_a_vendor_in_any_mood_leaves_the_sums_right(mood: str, tmp_path: Path) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    shop = SmallShop()
    shop.fill(5)
    ledger_settings = small_settings(tmp_path, {"crm": webhook("http://127.0.0.1:9")})
    vendor = Vendor()
    vendor.mood = mood
    plan_all(shop.warehouse, engine, ledger_settings)
    dispatch(engine, ledger_settings, make=lambda name, _: vendor)
    assert conservation(engine, only_broken=True) == []

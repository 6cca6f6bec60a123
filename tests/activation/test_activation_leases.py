"""Who holds a batch may settle it, and nobody else."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import (
    DispatchReport,
    conservation,
    dispatch,
    ledger_sums,
    plan_all,
)
from marketing_platform.activation.claims import OTHERS, Holder, claim, take_over
from marketing_platform.activation.settle import Outcome, settle
from marketing_platform.demo.receiver import Fault, Receiver
from marketing_platform.destinations import Destination, make_destination
from marketing_platform.settings import Settings
from marketing_platform.state import utc_now


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    return small_settings(tmp_path, {"crm": webhook(receiver.url)})


@pytest.fixture
def crm(engine: sa.Engine, shop: SmallShop, settings: Settings) -> Destination:
    """A destination for which eighty rows, eight batches, are planned."""
    shop.fill(80)
    plan_all(shop.warehouse, engine, settings)
    return make_destination("crm", settings)


def holder(name: str, seconds: float = 60) -> Holder:
    now = utc_now()
    return Holder(name, now, now + dt.timedelta(seconds=seconds))


def test_dispatchers_that_claim_at_once_never_get_the_same_row(
    engine: sa.Engine, crm: Destination
) -> None:
    claimed: Counter[str] = Counter()

    def work(name: str) -> None:
        ready.wait()
        while taken := claim(engine, crm, OTHERS, holder(name)):
            claimed.update(row.key for row in taken.batch.rows)

    ready = threading.Barrier(4)
    run_all([threading.Thread(target=work, args=(str(number),)) for number in range(4)])
    assert len(claimed) == 80
    assert set(claimed.values()) == {1}


def test_dispatchers_that_see_the_same_dead_lease_take_each_batch_once(
    engine: sa.Engine, crm: Destination
) -> None:
    while claim(engine, crm, OTHERS, holder("elsewhere|1|1|x", seconds=-1)):
        pass
    taken_over: Counter[str] = Counter()

    def work(name: str) -> None:
        ready.wait()
        while taken := take_over(engine, crm, holder(name), [SEGMENT]):
            taken_over[taken.batch.batch_id] += 1

    ready = threading.Barrier(4)
    run_all([threading.Thread(target=work, args=(str(number),)) for number in range(4)])
    assert len(taken_over) == 8
    assert set(taken_over.values()) == {1}


def test_who_lost_a_batch_can_not_settle_it_any_more(engine: sa.Engine, crm: Destination) -> None:
    slow, quick = holder("slow", seconds=-1), holder("quick")
    lost = claim(engine, crm, OTHERS, slow)
    taken = take_over(engine, crm, quick, [SEGMENT])
    assert lost is not None
    assert taken is not None
    assert taken.batch == lost.batch

    halves = (lost.batch.rows[:5], lost.batch.rows[5:])
    assert settle(engine, lost, slow, Outcome("failed", "too late")) == (Counter(), [])
    assert settle(engine, lost, slow, None, groups=halves) == (Counter(), [])
    assert settle(engine, taken, quick, Outcome("sent"))[0] == {"sent": 10}
    assert settle(engine, taken, quick, Outcome("failed", "twice"))[0] == {}
    assert ledger_sums(engine) == {
        "eligible": 80,
        "sent": 10,
        "suppressed": 0,
        "deferred": 70,
        "failed": 0,
    }


def test_a_run_that_takes_longer_than_its_lease_keeps_its_rows(
    engine: sa.Engine, crm: Destination, receiver: Receiver, settings: Settings
) -> None:
    receiver.misbehave(Fault("slow", times=4, seconds=1.2))
    reports: list[DispatchReport] = []
    first = threading.Thread(
        target=lambda: reports.append(dispatch(engine, settings, lease_seconds=0.3))
    )
    first.start()
    while receiver.received.requests < 4:
        time.sleep(0.01)
    time.sleep(0.5)
    second = dispatch(engine, settings)
    assert second.destinations[0].taken_over_count == 0
    first.join()
    assert reports[0].sent_count + second.sent_count == 80
    assert max(receiver.received.seen.values()) == 1
    assert all(balance.adds_up for balance in conservation(engine))


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

"""Killed at any moment, run twice at once: no row is lost and none is accepted twice."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import killed_run
import pytest
import sqlalchemy as sa
from killed_run import ROWS, crash_settings, open_shop
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import activate, conservation, dispatch, ledger_sums, plan_all
from marketing_platform.activation.claims import OTHERS, Holder, claim
from marketing_platform.activation.owner import is_dead, new_owner
from marketing_platform.demo.receiver import Fault, Receiver
from marketing_platform.destinations import make_destination
from marketing_platform.state import batches, messages, reading, utc_now

KILLS = int(os.environ.get("CRASH_KILLS", "20"))
# A slow vendor, so that a kill lands in the middle of something.
SLOW = Fault("slow", times=1_000_000, seconds=0.02)
ELSEWHERE = "another machine|1|1|x"


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Starts processes that have everything imported already."""
    folder = str(Path(__file__).parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = folder if before is None else f"{folder}{os.pathsep}{before}"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "killed_run"])
    yield context
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def kill(started: list[Any], receiver: Receiver, chance: random.Random) -> int:
    """Kill processes at a random moment; gives how many were still running.

    One in four dies early, while it plans; the others after some requests, wherever they are then.
    """
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0.02, 0.3))
    else:
        enough = receiver.received.requests + chance.randint(1, 12)
        while receiver.received.requests < enough and any(one.is_alive() for one in started):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
    for process in started:
        process.kill()
        process.join()
    return sum(process.exitcode == -signal.SIGKILL for process in started)


def sent_keys(engine: sa.Engine) -> set[str]:
    with reading(engine) as connection:
        rows = connection.execute(
            sa.select(messages.c.message_key).where(messages.c.state == "sent")
        )
        return {row.message_key for row in rows}


@pytest.mark.timeout(240 + 15 * KILLS)
def test_killed_many_times_it_loses_nothing_and_sends_nothing_twice(
    processes: Any, engine: sa.Engine, state_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    shop = open_shop(tmp_path)
    shop.fill(ROWS)
    receiver.misbehave(SLOW)
    chance = random.Random(7)  # noqa: S311 - not a secret
    kills, contents = 0, 1
    while kills < KILLS:
        # Every third time two runs at once.
        count = 2 if kills % 3 == 2 else 1
        plans = kills < 2 or chance.random() < 0.3
        arguments = (str(tmp_path), state_url, receiver.url, True, plans)
        started = [processes.Process(target=killed_run.run, args=arguments) for _ in range(count)]
        for process in started:
            process.start()
        kills += kill(started, receiver, chance)
        if ledger_sums(engine)["sent"] >= ROWS * contents:
            contents += 1
            with shop.warehouse.connect() as connection:
                connection.execute(f"update profiles.customers set first_name = 'A{contents}'")
    receiver.behave()
    activate(shop.warehouse, engine, crash_settings(tmp_path, receiver.url))

    received = receiver.received
    told = Counter(
        (row["customer_id"], row["operation"], row["first_name"]) for row in received.rows.values()
    )
    assert max(told.values()) == 1, "the same thing was told twice"
    assert len(received.audiences["crm", SEGMENT]) == ROWS
    assert sent_keys(engine) == set(received.rows), "the ledger and the vendor agree on every row"
    assert received.changed_requests == [], "a batch that was sent again had other rows"
    assert ledger_sums(engine)["deferred"] == 0
    assert all(balance.adds_up for balance in conservation(engine))
    assert max(received.seen.values()) > 1, "no kill hit a request; the test tests nothing"


def test_two_runs_at_once_send_each_row_once(
    processes: Any, engine: sa.Engine, state_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    shop = open_shop(tmp_path)
    shop.fill(500)
    plan_all(shop.warehouse, engine, crash_settings(tmp_path, receiver.url))
    arguments = (str(tmp_path), state_url, receiver.url, True, False)
    started = [processes.Process(target=killed_run.run, args=arguments) for _ in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0, 0]
    assert ledger_sums(engine)["sent"] == 500
    assert max(receiver.received.seen.values()) == 1, "no row was even sent twice"


def test_without_idempotency_a_killed_run_sends_no_row_twice(
    processes: Any, engine: sa.Engine, state_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    shop = open_shop(tmp_path)
    shop.fill(400)
    settings = crash_settings(tmp_path, receiver.url, is_idempotent=False)
    plan_all(shop.warehouse, engine, settings)
    # A request takes longer than it takes to kill who made it, on a busy machine too.
    receiver.misbehave(replace(SLOW, seconds=0.5))
    kills = 0
    chance = random.Random(8)  # noqa: S311 - not a secret
    while kills < 4:
        arguments = (str(tmp_path), state_url, receiver.url, False, False)
        process = processes.Process(target=killed_run.run, args=arguments)
        process.start()
        kills += kill([process], receiver, chance)
        if ledger_sums(engine)["deferred"] == 0:
            break
    receiver.behave()
    dispatch(engine, settings)
    found = ledger_sums(engine)
    assert max(receiver.received.seen.values()) == 1
    assert found["sent"] + found["failed"] == 400
    assert found["failed"] > 0
    assert sent_keys(engine) <= set(receiver.received.rows)
    with reading(engine) as connection:
        reasons = {row.reason for row in connection.execute(sa.select(messages.c.reason))}
    assert reasons == {None, "unknown outcome after a crash"}


@pytest.fixture
def abandoned(engine: sa.Engine, shop: SmallShop, tmp_path: Path) -> sa.Engine:
    """A ledger of ten rows that a dispatcher on another machine holds for a minute."""
    shop.fill(10)
    settings = small_settings(tmp_path, {"crm": webhook("http://127.0.0.1:9")})
    plan_all(shop.warehouse, engine, settings)
    now = utc_now()
    holder = Holder(ELSEWHERE, now, now + dt.timedelta(seconds=60))
    assert claim(engine, make_destination("crm", settings), OTHERS, holder)
    return engine


def test_a_live_lease_is_respected_and_an_expired_one_is_taken_over(
    abandoned: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)})
    report = dispatch(abandoned, settings)
    assert (report.sent_count, report.in_flight_count) == (0, 10)
    assert receiver.received.requests == 0

    with reading(abandoned) as connection:
        [batch] = connection.execute(sa.select(batches)).all()
    report = dispatch(abandoned, settings, now=lambda: utc_now() + dt.timedelta(minutes=2))
    assert (report.sent_count, report.destinations[0].taken_over_count) == (10, 10)
    assert list(receiver.received.bodies) == [batch.batch_id], "the same request under the same key"


def test_what_a_dead_run_left_is_part_of_the_next_runs_report(
    abandoned: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)})
    with abandoned.begin() as connection:
        connection.execute(sa.update(batches).values(lease_expires_at=utc_now()))
    shop.know("new")
    shop.members([*(f"c{number:05}" for number in range(1, 10)), "new"])
    plans, report = activate(shop.warehouse, abandoned, settings)
    assert (plans[0].counts.remove_count, plans[0].counts.add_count) == (1, 1)
    assert (report.sent_count, report.destinations[0].taken_over_count) == (12, 10)


def test_without_idempotency_an_expired_lease_is_settled_as_unknown(
    abandoned: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, is_idempotent=False)})
    report = dispatch(abandoned, settings, now=lambda: utc_now() + dt.timedelta(minutes=2))
    assert report.failed_count == 10
    assert receiver.received.requests == 0


@pytest.mark.parametrize("kind", ["act_then_drop", "drop", "status"])
def test_without_idempotency_a_doubtful_call_is_not_repeated(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, kind: Any
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, is_idempotent=False)})
    shop.fill(10)
    receiver.misbehave(Fault(kind))
    activate(shop.warehouse, engine, settings)
    assert ledger_sums(engine)["failed"] == 10
    assert receiver.received.requests == 1


def test_without_idempotency_a_call_that_was_surely_not_acted_on_is_repeated(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, is_idempotent=False)})
    shop.fill(10)
    receiver.misbehave(Fault("status", status=429), Fault("status", status=503))
    activate(shop.warehouse, engine, settings)
    assert ledger_sums(engine)["sent"] == 10


def test_a_holder_that_is_gone_is_known_to_be_dead() -> None:
    mine = new_owner()
    assert not is_dead(mine)
    place, _, started, nonce = mine.split("|")
    child = multiprocessing.get_context("forkserver").Process()
    child.start()
    child.join()
    assert is_dead("|".join((place, str(child.pid), started, nonce)))
    assert is_dead("|".join((place, str(os.getpid()), "1", nonce))), "the number has a new owner"
    assert not is_dead(ELSEWHERE), "nobody here can tell"
    _, _, since_its_start = place.partition("/")
    renamed = f"old-name/{since_its_start}"
    assert is_dead("|".join((renamed, str(child.pid), started, nonce))), "a machine may be renamed"
    assert not is_dead("|".join((renamed, str(os.getpid()), started, nonce)))

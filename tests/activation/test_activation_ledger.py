"""What the ledger itself refuses, and its sums."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_shop import SmallShop, small_settings, webhook

from marketing_platform.activation import (
    conservation,
    dispatch,
    failures,
    ledger_sums,
    plan_all,
    retry,
)
from marketing_platform.demo.receiver import Receiver
from marketing_platform.errors import ConfigError
from marketing_platform.settings import Settings
from marketing_platform.state import (
    SETTLED_STATES,
    TRANSITIONS,
    connect,
    create_tables,
    messages,
    open_state,
    plans,
    utc_now,
    writing,
)

# A trigger's refusal: SQLite and PostgreSQL call it an integrity error.
REFUSED = (sa.exc.IntegrityError, sa.exc.DatabaseError)
ILLEGAL = [
    (old, new)
    for old in TRANSITIONS
    for new in TRANSITIONS
    if old != new and new not in TRANSITIONS[old]
]

FALSE = [
    "delete from messages",
    "update messages set customer_id = 'other'",
    "update messages set content_version = 'other'",
    "update messages set plan_id = 7",
    "update messages set state = 'unheard of'",
    "update messages set state = 'suppressed', settled_at = '2025-01-01'",
    "update messages set state = 'in_flight'",
    "update messages set attempts = -1",
    "update plans set status = 'held'",
    "update plans set status = 'lost'",
    # A second open message about the same customer, and one that was sent from the start.
    "insert into messages select 'k2', plan_id, destination, audience, customer_id, 1, operation,"
    " payload, content_version, 'planned', reason, 0, may_have_arrived, null, null, null,"
    " created_at, null from messages",
    "insert into messages select 'k2', plan_id, destination, audience, 'other', 0, operation,"
    " payload, content_version, 'sent', reason, 0, may_have_arrived, null, null, null,"
    " created_at, created_at from messages",
]


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    return small_settings(tmp_path, {"crm": webhook(receiver.url)})


def change(engine: sa.Engine, customer_id: str, state: str) -> None:
    """Set the state of a customer's message as a careless program would."""
    values: dict[str, Any] = {
        "state": state,
        "reason": "x",
        "batch_id": "b1",
        "settled_at": utc_now() if state in SETTLED_STATES else None,
    }
    with writing(engine) as connection:
        connection.execute(
            sa.update(messages).where(messages.c.customer_id == customer_id).values(values)
        )


@pytest.fixture
def one_of_each(engine: sa.Engine, shop: SmallShop, settings: Settings) -> dict[str, str]:
    """A customer whose message is in the state, for every state; reached by legal steps."""
    shop.fill(len(TRANSITIONS))
    plan_all(shop.warehouse, engine, settings)
    with writing(engine) as connection:
        connection.exec_driver_sql(
            "insert into batches values"
            " ('b1', 'crm', 'winback', false, 'me', '2025-01-01', '2025-01-01', null)"
        )
    ways = {"planned": (), "suppressed": ("suppressed",), "in_flight": ("in_flight",)}
    customers = {}
    for number, state in enumerate(TRANSITIONS):
        customers[state] = f"c{number:05}"
        for step in ways.get(state, ("in_flight", state)):
            change(engine, customers[state], step)
    return customers


def test_the_database_refuses_every_illegal_change_of_state(
    engine: sa.Engine, one_of_each: dict[str, str]
) -> None:
    assert len(ILLEGAL) == 22
    for old, new in ILLEGAL:
        with pytest.raises(REFUSED, match="cannot change its state so"):
            change(engine, one_of_each[old], new)


def test_every_legal_change_of_state_is_possible(
    engine: sa.Engine, one_of_each: dict[str, str]
) -> None:
    for step in ("deferred", "in_flight", "failed", "deferred", "suppressed"):
        change(engine, one_of_each["in_flight"], step)


def test_the_database_refuses_what_would_falsify_the_ledger(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(1)
    plan_all(shop.warehouse, engine, settings)
    for statement in FALSE:
        with pytest.raises(REFUSED), writing(engine) as connection:
            connection.exec_driver_sql(statement)
    assert ledger_sums(engine)["deferred"] == 1


def test_sums_that_do_not_add_up_are_told(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(3)
    plan_all(shop.warehouse, engine, settings)
    with writing(engine) as connection:
        connection.execute(sa.update(plans).values(eligible_count=4))
    [broken] = conservation(engine, only_broken=True)
    assert (broken.eligible, broken.unsettled, broken.adds_up) == (4, 3, False)


def test_a_failed_row_is_sent_again_only_by_command(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(3)
    receiver.bad_customers["c00001"] = "row"
    for _ in range(2):
        plan_all(shop.warehouse, engine, settings)
        dispatch(engine, settings)
    [failure] = failures(engine)
    assert (failure.customer_id, failure.reason) == ("c00001", "bad row c00001")
    assert receiver.received.seen[failure.message_key] == 1

    receiver.bad_customers.clear()
    assert retry(engine, keys=[failure.message_key]) == 1
    assert conservation(engine)[0].status == "planned"
    assert dispatch(engine, settings).sent_count == 1
    assert failures(engine) == []
    assert ledger_sums(engine) == {
        "eligible": 3,
        "sent": 3,
        "suppressed": 0,
        "deferred": 0,
        "failed": 0,
    }


def test_a_failure_that_a_later_message_has_overtaken_is_not_sent_again(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(1)
    receiver.bad_customers["c00000"] = "row"
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings)
    receiver.bad_customers.clear()
    shop.know("c00000", first_name="Grace")
    plan_all(shop.warehouse, engine, settings)
    assert retry(engine) == 0
    dispatch(engine, settings)
    assert ledger_sums(engine)["failed"] == 1
    assert [row["first_name"] for row in receiver.received.rows.values()] == ["Grace"]


def test_tables_are_made_once_however_often_they_are_asked_for(engine: sa.Engine) -> None:
    create_tables(engine)
    create_tables(engine)


def test_sqlite_is_prepared_for_many_writers(tmp_path: Path) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'deep' / 'er' / 'state.db'}")
    with writing(engine) as connection:
        answers = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other = sqlite3.connect(engine.url.database or "", timeout=0)
            other.execute("begin immediate")
    assert answers == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
        "busy_timeout": 60_000,
    }
    with writing(engine, durable=True) as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://somewhere/db", "cannot be mysql"),
        ("postgresql://ada:hush@127.0.0.1:9/db", "cannot open the state database"),
    ],
)
def test_a_state_database_that_cannot_be_used_is_told_in_one_line(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        create_tables(connect(url))
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)

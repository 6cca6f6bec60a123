"""What the ledger itself refuses, and its sums."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import (
    activate,
    conservation,
    count_again,
    dispatch,
    failures,
    ledger_sums,
    plan_all,
    retry,
)
from marketing_platform.activation.balance import due_count
from marketing_platform.activation.ledger import known_messages
from marketing_platform.activation.suppression import suppress
from marketing_platform.demo.receiver import Receiver
from marketing_platform.errors import ConfigError, DiskFullError
from marketing_platform.identity.edges import log_changes
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.health import health_page
from marketing_platform.quality.incidents import report as report_incidents
from marketing_platform.settings import ActivationRule, Settings
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

_COPY = (
    "insert into messages (message_key, plan_id, destination, audience, customer_id, sequence,"
    " operation, payload, content_version, state, created_at, settled_at)"
    " select 'k2', plan_id, destination, audience, {}, operation, payload, content_version, {}"
    " from messages"
)
# What a careless program would write, and the words of the refusal, on SQLite or PostgreSQL.
FALSE = {
    "delete from messages": "never deleted",
    "update messages set customer_id = 'other'": "what a message is does not change",
    "update messages set content_version = 'other'": "what a message is does not change",
    "update messages set plan_id = 7": "what a message is does not change",
    "update messages set state = 'unheard of'": "cannot change its state so",
    "update messages set state = 'suppressed', settled_at = '2025-01-01'": "a_refusal_says_why",
    "update messages set state = 'in_flight'": "in_flight_has_a_batch",
    "update messages set attempts = -1": "counts_are_positive",
    "update plans set status = 'held'": "held_says_why",
    "update plans set status = 'lost'": "status_is_known",
    # A second open message about the same customer.
    _COPY.format("customer_id, 1", "'planned', created_at, null"): "unique constraint",
    # One that was sent from the start.
    _COPY.format("'other', 0", "'sent', created_at, created_at"): "starts as planned or suppressed",
}


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
    for statement, told in FALSE.items():
        with pytest.raises(REFUSED, match=f"(?i){told}"), writing(engine) as connection:
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


def test_a_row_that_is_gone_from_a_plan_that_ended_is_found_when_it_is_counted_again(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(3)
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings)
    assert count_again(engine, before=utc_now(), now=utc_now()) == 1
    assert conservation(engine, only_broken=True) == []
    on = " on messages" if engine.dialect.name == "postgresql" else ""
    with writing(engine) as connection:
        connection.exec_driver_sql(f"drop trigger messages_kept{on}")
        connection.exec_driver_sql("delete from messages where customer_id = 'c00001'")
    yesterday = utc_now() - dt.timedelta(days=1)
    assert count_again(engine, before=yesterday, now=utc_now()) == 0, "it was counted just now"
    assert count_again(engine, before=utc_now(), now=utc_now()) == 1
    [broken] = conservation(engine, only_broken=True)
    assert (broken.eligible, broken.sent) == (3, 2)


def test_however_often_a_person_was_told_a_plan_reads_the_last_words_alone(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, consent="email")})
    for number in range(5):
        for name in ("ada", "ben"):
            shop.know(name, first_name=f"{name} {number}", has_email_consent=name == "ada")
        shop.members(["ada", "ben"])
        plan_all(shop.warehouse, engine, settings)
        dispatch(engine, settings)
    sums = ledger_sums(engine)
    assert (sums["eligible"], sums["sent"], sums["suppressed"]) == (10, 5, 5)
    [first, *_] = conservation(engine)
    found = known_messages(engine, first.destination, first.audience)
    assert sorted(found["customer_id"]) == ["ada", "ada", "ben", "ben"]
    assert found["sequence"].min() == 3


def test_a_ledger_of_an_earlier_version_is_counted_and_goes_on(
    state_url: str, shop: SmallShop, settings: Settings, receiver: Receiver
) -> None:
    engine = open_state(state_url)
    shop.fill(4)
    receiver.bad_customers["c00001"] = "row"
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings)
    on = " on messages" if engine.dialect.name == "postgresql" else ""
    with writing(engine) as connection:
        connection.exec_driver_sql(f"drop trigger messages_reopened{on}")
        for index in ("present", "by_plan", "refused"):
            connection.exec_driver_sql(f"drop index messages_{index}")
        connection.exec_driver_sql("alter table messages drop column is_past")
        connection.exec_driver_sql("drop index plans_counted")
        for column in ("settled_sent", "settled_suppressed", "settled_failed", "counted_at"):
            connection.exec_driver_sql(f"alter table plans drop column {column}")
    engine.dispose()
    again = open_state(state_url)
    sums = {"eligible": 4, "sent": 3, "suppressed": 0, "deferred": 0, "failed": 1}
    assert ledger_sums(again) == sums
    plan_all(shop.warehouse, again, settings)
    assert ledger_sums(again) == sums
    receiver.bad_customers.clear()
    assert retry(again) == 1
    assert ledger_sums(again) == {**sums, "failed": 0, "deferred": 1}
    dispatch(again, settings)
    assert ledger_sums(again) == {**sums, "failed": 0, "sent": 4}
    again.dispose()


def test_a_state_that_misses_nothing_but_an_index_gets_it(state_url: str) -> None:
    engine = open_state(state_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("drop index identity_changes_by_other")
    engine.dispose()
    again = open_state(state_url)
    indexes = sa.inspect(again).get_indexes("identity_changes")
    again.dispose()
    assert "identity_changes_by_other" in {index["name"] for index in indexes}


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


def test_a_state_that_finds_no_room_is_told_as_a_full_disk(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'state.db'}")
    sa.event.listen(engine, "connect", lambda made, _: made.execute("pragma max_page_count = 3"))
    with pytest.raises(DiskFullError, match=r"the disk is full .*Make room and run again"):
        create_tables(engine)


def test_a_state_file_that_cannot_be_written_is_no_server_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(ConfigError, match="Let the user that runs this read and write there"):
        create_tables(connect(f"sqlite:///{tmp_path / 'state.db'}"))


# Steps of a query that go through all messages or requests there are, or all messages that a
# destination was ever sent.
WHOLE_LEDGER = re.compile(
    r"SCAN (messages|other|later|batches)\b(?!.* INDEX (messages_(one_open|refused)|batches_open)$)"
    r"|.*autoindex_messages_\d \(destination=\?\)$"
)


class Explained:
    """The steps that SQLite takes for whatever an engine is asked, each with its statement."""

    def __init__(self, engine: sa.Engine) -> None:
        self.steps: set[tuple[str, str]] = set()
        sa.event.listen(engine, "before_cursor_execute", self._explain)

    def _explain(
        self,
        connection: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        many: bool,
    ) -> None:
        if re.match(r"(select|with|update)\b", statement, re.IGNORECASE):
            one = parameters[0] if many else parameters
            rows = cursor.execute(f"explain query plan {statement}", one).fetchall()
            self.steps.update((detail, statement) for *_, detail in rows)

    def through_all(self) -> set[tuple[str, str]]:
        """The steps that grow with the ledger; whether there is a message at all one row tells."""
        return {
            (step, statement)
            for step, statement in self.steps
            if WHOLE_LEDGER.match(step)
            and not re.search(r"from messages\s+limit", statement, re.IGNORECASE)
        }


def test_no_step_of_a_run_reads_the_whole_ledger(
    tmp_path: Path, receiver: Receiver, shop: SmallShop
) -> None:
    """SQLite takes a partial index only for the words that stand in it."""
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    rule = ActivationRule(segment=SEGMENT, destination="crm", event="entered")
    crm = webhook(receiver.url, consent="email")
    settings = small_settings(tmp_path, {"crm": crm}, rules=[rule])
    shop.enter("ada", "2025-06-01 00:00:00")
    change = {"kind": "merged", "customer_id": "ada", "other_customer_id": "bob"}
    log_changes(engine, [{**change, "contact_count": 1, "contact_id": "c", "cause": "a test"}])
    with writing(engine) as connection:
        suppress(connection, ["eve"], "all", "erased", told_by="test", now=utc_now())
    explained = Explained(engine)
    activate(shop.warehouse, engine, settings)
    conservation(engine)
    failures(engine)
    retry(engine)
    engine.dispose()
    assert len(receiver.received.rows) == 1
    assert any("messages_reached" in step for step, _ in explained.steps)
    assert any("messages_to_person" in step for step, _ in explained.steps)
    assert explained.through_all() == set()


def test_what_is_asked_each_half_minute_reads_no_more_of_an_old_ledger(
    tmp_path: Path, receiver: Receiver, shop: SmallShop
) -> None:
    """A tick of a sensor is ended after a minute: nothing would be sent, and nobody alerted."""
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    rule = ActivationRule(segment=SEGMENT, destination="crm", attributes=("email",))
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[rule])
    shop.enter("ada", "2025-06-01 00:00:00")
    activate(shop.warehouse, engine, settings)
    explained = Explained(engine)
    now = utc_now()
    for since in (None, now - dt.timedelta(minutes=1)):
        assert due_count(engine, now, ["crm"], since=since) == 0
    report_incidents(engine, "state", find_all(engine, settings, now=now), now=now)
    health_page(engine, settings, now=now)
    engine.dispose()
    assert any("batches_closed" in step for step, _ in explained.steps)
    assert explained.through_all() == set()

"""What a vendor says of a message to a person is kept, and heeded."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_shop import (
    JULY,
    JUNE,
    MAY,
    SEGMENT,
    SmallShop,
    Standing,
    answering,
    small_settings,
    texts,
    webhook,
)
from typer.testing import CliRunner

from marketing_platform.activation import (
    activate,
    dispatch,
    plan_all,
    reason_counts,
    suppression,
)
from marketing_platform.activation.suppression import (
    forget_old_addresses,
    forget_who_came_back,
    suppress,
)
from marketing_platform.activation_cli import activation_app
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import Answer, Batch
from marketing_platform.destinations.base import RowAnswer
from marketing_platform.destinations.vendors.fcm import FcmDestination
from marketing_platform.settings import ActivationRule
from marketing_platform.state import (
    messages,
    open_state,
    reading,
    suppressions,
    utc_now,
    writing,
)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (RowAnswer("ok", vendor_id="SM1"), "sent"),
        (RowAnswer("error", "stopped", suppresses="unsubscribed"), "failed"),
        (RowAnswer("later", "busy"), "deferred"),
        (RowAnswer("unknown", "broken off"), "failed"),
    ],
)
def test_what_a_vendor_says_of_a_row_is_kept(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path, answer: RowAnswer, state: str
) -> None:
    settings = texts(tmp_path)
    shop.enter("ada", JUNE)
    shop.know("ada", phone="+4915112345678", has_sms_consent=True)
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings, make=lambda name, settings: answering(answer))
    with reading(engine) as connection:
        [row] = connection.execute(sa.select(messages)).all()
        barred = connection.execute(sa.select(suppressions)).all()
    assert (row.state, row.vendor_id) == (state, answer.vendor_id)
    assert row.may_have_arrived == (answer.status == "unknown")
    assert [(one.customer_id, one.channel, one.reason) for one in barred] == (
        [("ada", "sms", "unsubscribed")] if answer.suppresses else []
    )


@pytest.mark.parametrize("odd", ["\x00", "\udc80"], ids=["a byte of zero", "half a character"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_words_that_no_database_keeps_leave_no_row_in_flight(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path, odd: str, status: int
) -> None:
    settings = texts(tmp_path)
    shop.know("ada", phone="+4915112345678", has_sms_consent=True)
    shop.members(["ada"])
    plan_all(shop.warehouse, engine, settings)

    def answer(batch: Batch) -> Answer:
        rows = {row.key: RowAnswer("error", f"no {odd} such person") for row in batch.rows}
        kind = {200: "accepted", 400: "refused", 503: "retry"}[status]
        return Answer(kind, f"busy{odd}", rows=rows)  # type: ignore[arg-type]

    report = dispatch(engine, settings, make=lambda name, _: Standing(name, "message", answer))
    assert report.in_flight_count == 0
    [row] = reason_counts(engine)
    assert row.reason in ("no   such person", "busy ")


def test_failures_of_a_segment_are_tried_again_whatever_its_rules_tell(
    engine: sa.Engine,
    state_url: str,
    shop: SmallShop,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = ActivationRule(segment=SEGMENT, destination="crm", event="came")
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[rule])
    shop.fill(1)
    receiver.bad_customers["c00000"] = "row"
    activate(shop.warehouse, engine, settings)
    (tmp_path / "platform.yaml").write_text(
        f"destinations: {{crm: {{type: webhook, url: '{receiver.url}'}}}}\n"
        f"activations: [{{segment: {SEGMENT}, destination: crm, event: came}}]\n"
    )
    monkeypatch.setenv("MARKETING_PLATFORM_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("MARKETING_PLATFORM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MARKETING_PLATFORM_STATE_URL", state_url)
    done = CliRunner().invoke(activation_app, ["retry", "--segment", SEGMENT])
    assert done.output == "1 message waits for the next activation\n"
    receiver.bad_customers.clear()
    _, report = activate(shop.warehouse, engine, settings)
    assert report.sent_count == 1


GONE = RowAnswer("error", "no such app", suppresses="hard_bounce")


class Pushes:
    """A shop that pushes to whoever enters; `enter` gives what became of the message."""

    def __init__(self, shop: SmallShop, engine: sa.Engine, folder: Path) -> None:
        rule = ActivationRule.model_validate(
            {
                "segment": SEGMENT,
                "destination": "app",
                "attributes": ["push_token"],
                "message": {"text": "Hi"},
            }
        )
        fcm = FcmDestination(
            type="fcm", project="demo-shop", client_id="id", quiet_hours=None,
            client_secret="hush", refresh_token="hush",  # type: ignore[arg-type]
        )  # fmt: skip
        self._settings = small_settings(folder, {"app": fcm}, rules=[rule])
        self._shop, self._engine = shop, engine

    def enter(self, moment: str, push_token: str, answer: RowAnswer) -> tuple[str, str | None]:
        self._shop.enter("ada", moment)
        self._shop.know("ada", push_token=push_token)
        plan_all(self._shop.warehouse, self._engine, self._settings)
        dispatch(self._engine, self._settings, make=lambda *_: answering(answer, "app"))
        last = sa.select(messages.c.state, messages.c.reason).order_by(messages.c.sequence.desc())
        with reading(self._engine) as connection:
            state, reason = connection.execute(last.limit(1)).one()
        return state, reason


def test_an_address_that_does_not_exist_bars_nobody_from_the_next_one(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    pushes = Pushes(shop, engine, tmp_path)
    assert pushes.enter(MAY, "old", GONE) == ("failed", "no such app")
    assert pushes.enter(JUNE, "old", RowAnswer("ok")) == ("suppressed", "hard_bounce")
    assert pushes.enter(JULY, "new", RowAnswer("ok")) == ("sent", None)


def test_who_wants_nothing_more_is_not_written_to_at_another_address(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    pushes = Pushes(shop, engine, tmp_path)
    pushes.enter(MAY, "old", GONE)
    with writing(engine) as connection:
        suppress(connection, ["ada"], "push", "unsubscribed", told_by="command", now=utc_now())
    assert pushes.enter(JULY, "new", RowAnswer("ok")) == ("suppressed", "unsubscribed")


def test_what_is_said_of_an_address_holds_until_the_person_has_another_one(
    shop: SmallShop, tmp_path: Path
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    now = utc_now()
    columns = {"email": "email", "sms": "phone", "push": "push_token"}
    with writing(engine) as connection:
        for channel in columns:
            people = (f"{which} {channel}" for which in ("same", "none", "other"))
            suppress(
                connection, people, channel, "hard_bounce",  # type: ignore[arg-type]
                told_by="crm", now=now, address=f"Old-{channel}",
            )  # fmt: skip
        # What a person said was said whatever comes of an address later.
        suppress(connection, ["said"], "sms", "unsubscribed", told_by="was ann", now=now)
        suppress(connection, ["said"], "sms", "hard_bounce", told_by="crm", now=now, address="x")
    for channel, column in columns.items():
        shop.know(f"same {channel}", **{column: f"old-{channel}"})
        shop.know(f"none {channel}", **{column: None})
        shop.know(f"other {channel}", **dict.fromkeys(columns.values(), f"old-{channel}"))
        shop.know(f"other {channel}", **{column: "new"})
    shop.know("said", phone="+4915112345678")
    forget_old_addresses(shop.warehouse, engine)
    with reading(engine) as connection:
        left = set(connection.execute(sa.select(suppressions.c.customer_id)).scalars())
    assert left == {"said", *(f"{which} {one}" for which in ("same", "none") for one in columns)}


def test_who_comes_back_takes_back_only_what_a_destination_said_of_that_channel(
    shop: SmallShop, tmp_path: Path
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    now = utc_now()
    told: list[tuple[str, Any, Any, str]] = [
        ("vendor", "sms", "unsubscribed", "sms"),
        ("command", "sms", "unsubscribed", "command"),
        # Who they were said so, before they became another customer.
        ("heir", "sms", "unsubscribed", "was between"),
        ("between", "sms", "unsubscribed", "was vendor"),
        ("heir of a command", "sms", "unsubscribed", "was command"),
        ("heir of nobody", "sms", "unsubscribed", "was forgotten"),
        ("complained", "sms", "complaint", "sms"),
        ("mails", "email", "unsubscribed", "crm"),
    ]
    with writing(engine) as connection:
        for customer, channel, reason, told_by in told:
            suppress(connection, [customer], channel, reason, told_by=told_by, now=now)
    for customer, *_ in told:
        shop.know(customer)
        came_back(shop, customer, now + dt.timedelta(minutes=1))
    forget_who_came_back(shop.warehouse, engine)
    with reading(engine) as connection:
        left = set(connection.execute(sa.select(suppressions.c.customer_id)).scalars())
    assert left == {
        "command", "heir of a command", "heir of nobody", "complained", "mails",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said_by", "minutes", "told"),
    [
        ("ada", 1, ("sent", None)),
        ("phone:+4915112345678", 1, ("sent", None)),
        ("ada", -1, ("suppressed", "unsubscribed")),
        ("bob", 1, ("suppressed", "unsubscribed")),
    ],
)
def test_who_comes_back_by_text_is_not_barred_by_what_the_vendor_said_before(
    engine: sa.Engine,
    shop: SmallShop,
    tmp_path: Path,
    said_by: str,
    minutes: int,
    told: tuple[str, str | None],
) -> None:
    settings = texts(tmp_path)
    shop.know("ada", phone="+4915112345678", has_sms_consent=True)

    def enter(moment: str, answer: RowAnswer) -> None:
        shop.enter("ada", moment)
        plan_all(shop.warehouse, engine, settings)
        dispatch(engine, settings, make=lambda *_: answering(answer))

    enter(MAY, RowAnswer("error", "stopped", suppresses="unsubscribed"))
    came_back(shop, said_by, utc_now() + dt.timedelta(minutes=minutes))
    enter(JULY, RowAnswer("ok"))
    last = sa.select(messages.c.state, messages.c.reason).order_by(messages.c.sequence.desc())
    with reading(engine) as connection:
        assert tuple(connection.execute(last.limit(1)).one()) == told


def test_who_came_back_is_found_without_holding_every_word_against_everybody(
    engine: sa.Engine, shop: SmallShop
) -> None:
    people = [f"p{number}" for number in range(150)]
    left_at = utc_now() - dt.timedelta(days=2)
    with writing(engine) as connection:
        suppress(connection, people, "sms", "unsubscribed", told_by="texts", now=left_at)
    for name in people:
        shop.know(name, phone=f"+49{name}")
        came_back(shop, f"phone:+49{name}" if name > "p75" else name, utc_now())
    refused = "select unnest($who) as customer_id, 'sms' as channel, $at::timestamp as created_at"
    with shop.warehouse.connect() as connection:
        told = {"who": people, "at": left_at.replace(tzinfo=None)}
        connection.execute(f"create temp table refused as {refused}", told)
        connection.execute("pragma enable_profiling = 'no_output'")
        connection.execute(suppression._CAME_BACK)
        steps = connection.get_profiling_information(format="json")
        connection.execute("pragma disable_profiling")
        connection.execute("drop table refused")
    rows = [int(found) for found in re.findall(r'"intermediate_rows": ?(\d+)', steps)]
    assert len(people) <= max(rows) <= 3 * len(people)
    forget_who_came_back(shop.warehouse, engine)
    with reading(engine) as state:
        assert state.execute(sa.select(suppressions)).all() == []


def came_back(shop: SmallShop, contact: str, moment: dt.datetime) -> None:
    """Let a contact have said START."""
    for table in ("core.engagements", "core.contacts", "identity.contact_customers"):
        shop.warehouse.ensure(table)
    rows = {
        "core.engagements": "'e' as engagement_id, 'twilio' as source, 'sms' as channel,"
        " 'resubscribed' as engagement, $moment as occurred_at, $moment::date as engagement_date",
        "core.contacts": "'twilio' as source, $who as source_contact_id,"
        " case when $who like 'phone:%' then substr($who, 7) end as phone",
        "identity.contact_customers": "replace($who, 'phone:', 'c:') as customer_id",
    }
    told = {"who": contact, "moment": moment.replace(tzinfo=None)}
    with shop.warehouse.connect() as connection:
        for table, columns in rows.items():
            connection.execute(
                f"insert into {table} by name select $who as contact_id, {columns}",
                {name: value for name, value in told.items() if f"${name}" in columns + "$who"},
            )

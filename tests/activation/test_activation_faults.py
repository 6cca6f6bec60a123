"""Whatever a vendor does, every row is accounted for and no row is accepted twice."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import random
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, Standing, small_settings, webhook

from marketing_platform.activation import (
    DispatchReport,
    activate,
    conservation,
    dispatch,
    failures,
    ledger_sums,
    plan_all,
)
from marketing_platform.demo.receiver import Fault, Receiver
from marketing_platform.destinations import Answer, Batch, RowAnswer
from marketing_platform.destinations.answers import refusal
from marketing_platform.destinations.vendors.files import FilesDestination
from marketing_platform.destinations.vendors.webhook import Webhook
from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule, Settings, parse_platform
from marketing_platform.state import messages, reading, utc_now


def sums(engine: sa.Engine) -> tuple[int, int, int]:
    """Sent, deferred and failed; after a look at whether every plan adds up."""
    assert all(balance.adds_up for balance in conservation(engine))
    found = ledger_sums(engine)
    assert found["eligible"] == sum(found.values()) - found["eligible"]
    return found["sent"], found["deferred"], found["failed"]


def reasons(engine: sa.Engine) -> set[str | None]:
    with reading(engine) as connection:
        return {row.reason for row in connection.execute(sa.select(messages.c.reason))}


def later(days: float = 1) -> dt.datetime:
    return utc_now() + dt.timedelta(days=days)


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    return small_settings(tmp_path, {"crm": webhook(receiver.url, concurrency=1)})


@pytest.fixture
def planned(engine: sa.Engine, shop: SmallShop, settings: Settings) -> sa.Engine:
    """A ledger with thirty rows to send, in three batches."""
    shop.fill(30)
    plan_all(shop.warehouse, engine, settings)
    return engine


PASSING = [
    *(Fault("status", status=status) for status in (408, 425, 429, 500, 502, 503, 504)),
    Fault("status", status=429, retry_after="0"),
    Fault("status", status=503, retry_after="soon"),
    Fault("drop"),
    Fault("act_then_drop"),
    Fault("page"),
]


def test_every_passing_trouble_is_overcome_within_the_run(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(10 * len(PASSING))
    plan_all(shop.warehouse, engine, settings)
    for fault in PASSING:
        # Each batch meets its fault twice before it gets through.
        receiver.misbehave(fault, fault, Fault("slow"))
    report = dispatch(engine, settings)
    assert (report.sent_count, report.has_failures) == (120, False)
    assert report.destinations[0].call_count == 3 * len(PASSING)
    assert sums(engine) == (120, 0, 0)
    assert len(receiver.received.rows) == 120
    assert receiver.received.changed_requests == [], "a repeated request is the same request"


def test_a_vendor_that_acts_and_then_times_out_accepts_no_row_twice(
    planned: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, timeout_seconds=0.2)})
    receiver.misbehave(Fault("act_then_wait", seconds=0.8))
    assert dispatch(planned, settings).sent_count == 30
    assert len(receiver.received.rows) == 30
    assert max(receiver.received.seen.values()) == 2
    assert "duplicate" in reasons(planned)


def test_a_slow_vendor_is_waited_for(
    planned: sa.Engine, receiver: Receiver, settings: Settings
) -> None:
    receiver.misbehave(Fault("slow", seconds=0.3))
    assert dispatch(planned, settings).sent_count == 30


def test_retry_after_is_obeyed(planned: sa.Engine, receiver: Receiver, settings: Settings) -> None:
    receiver.misbehave(Fault("status", status=429, retry_after="1"))
    started = time.monotonic()
    assert dispatch(planned, settings).sent_count == 30
    assert time.monotonic() - started >= 1


def test_a_long_retry_after_defers_everything_until_then(
    planned: sa.Engine, receiver: Receiver, settings: Settings
) -> None:
    moment = utc_now().replace(microsecond=0) + dt.timedelta(hours=2)
    receiver.misbehave(
        Fault("status", status=429, retry_after=email.utils.format_datetime(moment, usegmt=True))
    )
    started = time.monotonic()
    report = dispatch(planned, settings)
    assert time.monotonic() - started < 5
    [crm] = report.destinations
    assert crm.paused_until is not None
    assert abs((crm.paused_until - moment).total_seconds()) < 1
    assert crm.call_count == 1, "the other rows are not tried either"
    assert not report.has_failures
    assert sums(planned) == (0, 30, 0)

    assert dispatch(planned, settings).destinations[0].call_count == 0
    assert dispatch(planned, settings, now=later).sent_count == 30


@pytest.mark.parametrize("told", ["1893456000", "9" * 20, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_that_nobody_can_mean_is_no_longer_than_a_day(
    planned: sa.Engine, receiver: Receiver, settings: Settings, told: str
) -> None:
    receiver.misbehave(Fault("status", status=429, retry_after=told))
    [crm] = dispatch(planned, settings).destinations
    assert crm.paused_until is not None
    assert crm.paused_until <= later()
    assert sums(planned) == (0, 30, 0)
    assert dispatch(planned, settings, now=lambda: later(1.1)).sent_count == 30


def test_a_dead_vendor_defers_and_after_the_last_attempt_fails_with_its_words(
    planned: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    crm = webhook(receiver.url, concurrency=1, calls_per_run=2, max_attempts=2, batch_size=30)
    settings = small_settings(tmp_path, {"crm": crm})
    receiver.misbehave(Fault("status", times=99, body='{"message": "out of order"}'))
    report = dispatch(planned, settings)
    assert (report.deferred_count, report.destinations[0].call_count) == (30, 2)
    assert sums(planned) == (0, 30, 0)

    assert dispatch(planned, settings).destinations[0].call_count == 0, "not due yet"
    assert dispatch(planned, settings, now=later).has_failures
    assert sums(planned) == (0, 0, 30)
    assert failures(planned)[0].reason == "500 out of order"


def test_a_row_that_a_vendor_always_puts_off_fails_after_the_last_attempt(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    def answer(batch: Batch) -> Answer:
        full = RowAnswer("later", "452 the mailbox is full")
        rows = {r.key: full if r.customer_id == "ada" else RowAnswer("ok") for r in batch.rows}
        return Answer("accepted", rows=rows)

    crm = Standing("crm", "audience", answer)
    people = ["ada"]
    for run in range(crm.max_attempts):
        # Others enter before each run, and are taken in the same batch.
        people += [f"bob{run}{n}" for n in range(3)]
        for customer in people:
            shop.know(customer)
        shop.members(people)
        plan_all(shop.warehouse, engine, settings)
        dispatch(engine, settings, now=lambda: later(run), make=lambda *_: crm)  # noqa: B023
    assert sums(engine) == (9, 0, 1)
    assert failures(engine)[0].reason == "452 the mailbox is full"


def test_a_silent_vendor_is_left_alone_after_three_batches(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(200)
    plan_all(shop.warehouse, engine, settings)
    receiver.misbehave(Fault("drop", times=999))
    report = dispatch(engine, settings)
    assert report.destinations[0].batch_count == 3
    assert "no success in 3 batches" in str(report.destinations[0].stopped)
    assert sums(engine) == (0, 200, 0)
    receiver.behave()
    dispatch(engine, settings, now=later)
    assert sums(engine) == (200, 0, 0)


@pytest.mark.parametrize("status", [400, 422, 413])
def test_one_bad_row_is_found_by_halving_and_stops_nothing_else(
    planned: sa.Engine, receiver: Receiver, settings: Settings, status: int
) -> None:
    if status != 400:
        receiver.misbehave(Fault("status", status=status))
    receiver.bad_customers["c00013"] = "batch"
    report = dispatch(planned, settings)
    assert (report.sent_count, report.failed_count) == (29, 1)
    [failure] = failures(planned)
    assert (failure.customer_id, failure.reason) == ("c00013", "400 bad row in batch")
    assert sums(planned) == (29, 0, 1)
    assert receiver.received.changed_requests == []


@pytest.mark.parametrize("way", ["row", "named"])
def test_bad_rows_that_the_vendor_names_are_settled_row_by_row(
    planned: sa.Engine, receiver: Receiver, settings: Settings, way: str
) -> None:
    receiver.bad_customers.update({"c00003": way, "c00005": way, "c00021": way})  # type: ignore[dict-item]
    report = dispatch(planned, settings)
    assert (report.sent_count, report.failed_count) == (27, 3)
    assert {failure.reason for failure in failures(planned)} == {
        "bad row c00003",
        "bad row c00005",
        "bad row c00021",
    }
    assert report.destinations[0].call_count <= 5


def test_a_vendor_that_refuses_every_row_is_not_asked_for_each(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(300)
    plan_all(shop.warehouse, engine, settings)
    receiver.misbehave(Fault("status", times=9999, status=422))
    report = dispatch(engine, settings)
    assert report.failed_count == 25
    assert "refused 25 rows in a row" in str(report.destinations[0].stopped)
    assert sums(engine) == (0, 275, 25)


def one_by_one(answered: RowAnswer) -> Standing:
    """A vendor that takes a row a call and says the same of each."""
    crm = Standing(
        "crm", "audience", lambda batch: Answer("accepted", rows={batch.rows[0].key: answered})
    )
    crm.batch_size = 1
    return crm


def test_a_vendor_that_answers_for_every_row_with_a_refusal_is_not_asked_for_each(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(60)
    plan_all(shop.warehouse, engine, settings)
    crm = one_by_one(RowAnswer("error", "code 21606: not a sender of this account"))
    report = dispatch(engine, settings, make=lambda *_: crm)
    assert "refused 25 rows in a row (code 21606" in str(report.destinations[0].stopped)
    assert sums(engine) == (0, 35, 25)


def test_what_a_vendor_answered_for_before_it_stopped_is_settled_so(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(30)
    plan_all(shop.warehouse, engine, settings)

    def answer(batch: Batch) -> Answer:
        told = {row.key: RowAnswer("error", "no such event") for row in batch.rows[:5]}
        return Answer("stop", "refused 5 rows in a row", rows=told, is_counted=False)

    report = dispatch(engine, settings, make=lambda *_: Standing("crm", "audience", answer))
    assert report.destinations[0].stopped == "refused 5 rows in a row"
    assert sums(engine) == (0, 25, 5)
    assert {failure.reason for failure in failures(engine)} == {"no such event"}


def test_people_who_want_nothing_more_stop_no_destination(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(40)
    plan_all(shop.warehouse, engine, settings)
    crm = one_by_one(RowAnswer("error", "unsubscribed", suppresses="unsubscribed"))
    report = dispatch(engine, settings, make=lambda *_: crm)
    assert report.destinations[0].stopped is None
    assert sums(engine) == (0, 0, 40)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "refuses the credentials"),
        (402, "is closed to us (402"),
        (403, "refuses the credentials"),
        (404, "no receiver"),
        (423, "is closed to us (423"),
    ],
)
def test_a_destination_that_cannot_be_used_stops_for_this_run_and_loses_nothing(
    planned: sa.Engine, receiver: Receiver, settings: Settings, status: int, said: str
) -> None:
    receiver.misbehave(Fault("status", status=status))
    report = dispatch(planned, settings)
    assert said in str(report.destinations[0].stopped)
    assert report.has_failures
    assert report.destinations[0].call_count == 1
    assert sums(planned) == (0, 30, 0)
    assert dispatch(planned, settings).sent_count == 30


def test_a_list_that_was_deleted_over_there_keeps_no_other_audience_waiting(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    rules = [ActivationRule(segment=segment, destination="crm") for segment in (SEGMENT, "other")]
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=rules)
    shop.fill(30)
    shop.members([f"c{n:05}" for n in range(30)], "other")
    plan_all(shop.warehouse, engine, settings)
    asked: list[str] = []

    def answer(batch: Batch) -> Answer:
        asked.append(batch.audience)
        if batch.audience == rules[1].name:
            return refusal(httpx.Response(404, json={"message": "no such list"}), utc_now())
        return Answer("accepted")

    for _ in range(2):
        report = dispatch(engine, settings, make=lambda *_: Standing("crm", "audience", answer))
        assert f"{rules[1].name}: " in str(report.destinations[0].stopped)
        assert "no such list" in str(report.destinations[0].stopped)
        assert sums(engine) == (30, 30, 0)
    assert asked.count(rules[1].name) == 2, "once a run"


def test_wrong_credentials_do_not_use_up_the_attempts(
    planned: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    crm = webhook(receiver.url, max_attempts=2, concurrency=1)
    settings = small_settings(tmp_path, {"crm": crm})
    for _ in range(4):
        receiver.misbehave(Fault("status", status=401))
        assert dispatch(planned, settings).sent_count == 0
    assert dispatch(planned, settings).sent_count == 30


def test_an_answer_without_rows_accepts_the_whole_batch(
    planned: sa.Engine, receiver: Receiver, settings: Settings
) -> None:
    receiver.misbehave(Fault("silent", times=3))
    assert dispatch(planned, settings).sent_count == 30


def test_one_dead_vendor_does_not_delay_another(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings = small_settings(
            tmp_path,
            {
                "deaf": webhook(
                    f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_seconds=1, calls_per_run=1
                ),
                "gone": webhook("http://127.0.0.1:9/rows"),
                "crm": webhook(receiver.url),
                "feed": FilesDestination(type="files"),
            },
        )
        shop.fill(40)
        plan_all(shop.warehouse, engine, settings)
        reports: list[DispatchReport] = []
        run = threading.Thread(target=lambda: reports.append(dispatch(engine, settings)))
        run.start()
        while len(receiver.received.rows) < 40 and run.is_alive():
            time.sleep(0.01)
        assert run.is_alive(), "the deaf vendor still keeps its own courier waiting"
        run.join()
    by_name = {report.destination: report for report in reports[0].destinations}
    assert by_name["crm"].sent_count == 40
    assert by_name["feed"].sent_count == 40
    assert by_name["deaf"].deferred_count == 40
    assert "no connection to 127.0.0.1" in str(by_name["gone"].stopped)
    assert sums(engine) == (80, 80, 0)


class Broken(Webhook):
    """A destination with a bug."""

    async def send(self, batch: Batch) -> Answer:
        raise ZeroDivisionError("a bug")


def test_a_bug_in_one_destination_stops_no_other_and_loses_nothing(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    both = {"crm": webhook(receiver.url), "broken": webhook(receiver.url)}
    settings = small_settings(tmp_path, dict(both))
    shop.fill(30)
    plan_all(shop.warehouse, engine, settings)
    report = dispatch(
        engine,
        settings,
        make=lambda name, _: (Broken if name == "broken" else Webhook)(name, both[name]),
    )
    assert [(one.sent_count, one.stopped) for one in report.destinations] == [
        (30, None),
        (0, "ZeroDivisionError: a bug"),
    ]
    assert sums(engine) == (30, 30, 0)
    assert dispatch(engine, settings).sent_count == 30


def test_a_feed_that_cannot_be_written_stops_no_other_destination(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "feeds").write_text("a file where a folder should be")
    settings = small_settings(
        tmp_path, {"feed": FilesDestination(type="files"), "crm": webhook(receiver.url)}
    )
    shop.fill(5)
    _, report = activate(shop.warehouse, engine, settings)
    by_name = {report.destination: report for report in report.destinations}
    assert by_name["crm"].sent_count == 5
    assert by_name["feed"].deferred_count == 5
    assert any("cannot write" in str(reason) for reason in reasons(engine))


@pytest.mark.parametrize(
    "url",
    [
        "crm.example/rows",
        "ftp://crm.example/rows",
        "http://exa mple/rows",
        "http://127.0.0.1:99999/rows",
        "https://ada:hush@crm.example/rows",
    ],
)
def test_a_bad_url_is_refused_with_the_settings_and_not_repeated(url: str) -> None:
    content = {"destinations": {"crm": {"type": "webhook", "url": url}}}
    with pytest.raises(ConfigError, match=r"destinations\.crm.*url") as caught:
        parse_platform(content, where=Path("platform.yaml"), environ={})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_host_that_does_not_resolve_is_told_in_one_line(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook("http://crm.invalid/rows")})
    shop.fill(2)
    _, report = activate(shop.warehouse, engine, settings)
    assert report.destinations[0].stopped == "the host crm.invalid does not resolve"
    assert report.has_failures
    assert sums(engine) == (0, 2, 0)


def test_a_stop_finishes_what_is_under_way_and_claims_nothing_new(
    planned: sa.Engine, receiver: Receiver, settings: Settings
) -> None:
    stop = threading.Event()
    receiver.misbehave(Fault("slow", seconds=1.7))
    # Late enough for the first batch to be under way on a busy machine, and before it is answered.
    threading.Timer(1.0, stop.set).start()
    report = dispatch(planned, settings, stop=stop)
    assert report.was_stopped
    assert sums(planned) == (10, 20, 0)
    assert dispatch(planned, settings).sent_count == 20
    assert max(receiver.received.seen.values()) == 1


def test_a_stop_does_not_wait_for_a_vendor_that_is_to_be_tried_again(
    planned: sa.Engine, receiver: Receiver, settings: Settings
) -> None:
    stop = threading.Event()
    receiver.misbehave(Fault("status", times=9, status=429, retry_after="10"))
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    dispatch(planned, settings, stop=stop)
    assert time.monotonic() - started < 5
    assert sums(planned) == (0, 30, 0)


def test_a_storm_of_faults_ends_as_if_there_had_been_none(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    chance = random.Random(3)  # noqa: S311 - not a secret
    storm: list[Fault] = []
    while len(storm) < 400:
        draw = chance.random()
        if draw < 0.05:
            storm.append(Fault("status", status=500))
        elif draw < 0.10:
            storm.append(Fault("act_then_wait", seconds=0.6))
        elif draw < 0.12:
            storm.append(Fault(chance.choice(("drop", "act_then_drop"))))
        elif draw < 0.14:
            storm += [Fault("status", status=429, retry_after="0")] * 8
        else:
            storm.append(Fault("slow"))
    shop.fill(1200)
    # One in thirty is malformed: half of them are named by the vendor, half take a batch with them.
    bad = {f"c{number:05}": ("row", "batch")[number % 2] for number in range(0, 1200, 29)}
    receiver.bad_customers.update(bad)  # type: ignore[arg-type]
    receiver.misbehave(*storm)
    crm = webhook(receiver.url, batch_size=20, timeout_seconds=0.3, calls_per_run=6)
    settings = small_settings(tmp_path, {"crm": crm})
    activate(shop.warehouse, engine, settings)
    later = utc_now()
    for _ in range(10):
        later += dt.timedelta(hours=7)
        dispatch(engine, settings, now=lambda moment=later: moment)
    assert receiver.received.requests > 100
    sums = ledger_sums(engine)
    assert (sums["sent"], sums["failed"], sums["deferred"]) == (1200 - len(bad), len(bad), 0)
    assert {row["customer_id"] for row in receiver.received.rows.values()} == {
        f"c{number:05}" for number in range(1200)
    } - bad.keys()
    assert len(receiver.received.rows) == 1200 - len(bad), "nobody was told twice"
    assert receiver.received.changed_requests == []
    assert all(balance.adds_up for balance in conservation(engine))


def test_removals_go_before_additions(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(30)
    shop.members([f"c{number:05}" for number in range(15)])
    activate(shop.warehouse, engine, settings)
    first = len(receiver.received.rows)
    shop.members([f"c{number:05}" for number in range(8, 30)])
    activate(shop.warehouse, engine, settings)
    told = [row["operation"] for row in list(receiver.received.rows.values())[first:]]
    assert told == ["remove"] * 8 + ["add"] * 15


def test_a_doubtful_addition_is_removed_when_the_customer_leaves(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    """The vendor took the row and never answered: nobody knows, so the removal has to be sent."""
    crm = webhook(receiver.url, calls_per_run=1)
    settings = small_settings(tmp_path, {"crm": crm})
    shop.fill(1)
    receiver.misbehave(Fault("act_then_drop"))
    activate(shop.warehouse, engine, settings)
    assert sums(engine) == (0, 1, 0)
    shop.members([])
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings)
    assert receiver.received.audiences["crm", SEGMENT] == {}


def test_rows_for_a_destination_that_is_gone_are_reported_and_kept(
    planned: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"other": webhook(receiver.url)}, rules=[])
    report = dispatch(planned, settings)
    assert report.unknown_destinations == {"crm": 30}
    assert report.has_failures
    assert "crm: 30 rows wait" in "\n".join(report.lines())
    assert sums(planned) == (0, 30, 0)


def test_an_unknown_destination_is_told_with_the_nearest_name(
    engine: sa.Engine, settings: Settings
) -> None:
    with pytest.raises(ConfigError, match=r"unknown destination 'crn'.* Did you mean crm\?"):
        dispatch(engine, settings, destinations=["crn"])


def test_a_secret_appears_nowhere(
    planned: sa.Engine, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = "tok-3f9a-very-secret"
    url = receiver.url.replace("/rows", "/hooks/path-secret")
    settings = small_settings(tmp_path, {"crm": webhook(url, token=token, max_attempts=1)})
    echo = f'{{"message": "token {token} is busy"}}'
    caplog.set_level(logging.DEBUG)
    receiver.misbehave(Fault("status", times=4, body=echo), Fault("status", status=401, body=echo))
    report = dispatch(planned, settings)
    with reading(planned) as connection:
        everything = str(connection.execute(sa.select(messages)).all())
    told = [
        everything,
        "\n".join(report.lines()),
        repr(report),
        repr(settings),
        str(failures(planned)),
        "\n".join(
            record.getMessage() for record in caplog.records if record.name != "httpcore.http11"
        ),
    ]
    for text in told:
        assert token not in text
    assert "***" in everything
    assert "path-secret" not in "".join(told)

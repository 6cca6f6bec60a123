"""Incidents open, go on, end, and are told: once each, by every channel, without personal data."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from inbox import Inbox
from pydantic import SecretStr
from small_smtp import SmallSmtp

from marketing_platform.contracts import Violation
from marketing_platform.errors import InputError
from marketing_platform.quality.alerts import announce, scrubbed
from marketing_platform.quality.findings import find_all, held_by
from marketing_platform.quality.holds import find_holds
from marketing_platform.quality.incidents import (
    QUIET,
    Finding,
    acknowledge,
    close_incident,
    open_incident,
    open_incidents,
    recent_incidents,
    report,
)
from marketing_platform.quality.results import CheckResult, record_build, record_check
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import batches, messages, open_state, plans

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
BAD = Finding("check:x", "x failed", "2 rows", "critical", holds="all activations")
ODD = Finding("anomaly:y", "y is odd", "it fell")


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as opened:
        yield opened


@pytest.fixture
def state(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    yield engine
    engine.dispose()


def settings_of(folder: Path, **platform: Any) -> Settings:
    return Settings(
        config_dir=folder,
        data_dir=folder,
        state_url=SecretStr("sqlite://"),
        platform=Platform.model_validate(platform),
    )


def test_an_incident_opens_once_goes_on_and_closes_when_it_is_not_found_any_more(
    state: sa.Engine,
) -> None:
    report(state, "a", [BAD, ODD], now=START)
    report(state, "b", [], now=START)
    report(state, "a", [BAD], now=START + HOUR)
    [still] = open_incidents(state)
    assert (still.key, still.seen_count, still.opened_at) == ("check:x", 2, START)
    assert still.seen_at == START + HOUR
    closed = {one.key: one.closed_at for one in recent_incidents(state)}
    assert closed == {"check:x": None, "anomaly:y": START + HOUR}


def test_a_source_that_was_taken_out_holds_nothing_and_is_no_incident(
    state: sa.Engine, tmp_path: Path
) -> None:
    tables = ("raw.files_orders", "raw.klaviyo_profiles", "staging.klaviyo_contacts")
    for table in tables:
        record_check(state, CheckResult(table, "built", False, "an error"))
    files = {"orders": {"path": "orders.csv"}}
    settings = settings_of(tmp_path, sources={"klaviyo": {"api_key": "pk_x"}, "files": files})
    held = [f"{table}: check built failed: an error" for table in tables]
    assert find_holds(state, settings, now=START) == held
    assert len(list(find_all(state, settings, now=START))) == 3
    without = settings_of(tmp_path)
    assert find_holds(state, without, now=START) == []
    assert list(find_all(state, without, now=START)) == []


def test_a_table_that_an_update_took_away_holds_nothing_and_is_no_incident(
    state: sa.Engine, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    for table in ("profiles.daily_touches", "profiles.daily_visits"):
        record_check(state, CheckResult(table, "built", False, "an error"))
    held = ["profiles.daily_visits: check built failed: an error"]
    assert find_holds(state, settings, now=START) == held
    assert len(list(find_all(state, settings, now=START))) == 1


def test_what_comes_back_at_once_is_the_same_incident_and_later_another(state: sa.Engine) -> None:
    open_incident(state, "a", BAD, now=START)
    close_incident(state, BAD.key, now=START + HOUR)
    open_incident(state, "a", BAD, now=START + HOUR + QUIET / 2)
    assert [one.opened_at for one in recent_incidents(state)] == [START]
    close_incident(state, BAD.key, now=START + 2 * HOUR)
    open_incident(state, "a", BAD, now=START + 5 * HOUR)
    assert len(recent_incidents(state)) == 2


def test_opening_escalation_and_end_are_told_once_each(
    state: sa.Engine, inbox: Inbox, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, alerts={"webhook_url": inbox.url, "escalate_hours": 4})

    def told(now: dt.datetime) -> list[str]:
        before = len(inbox.got)
        assert announce(state, settings, now=now)
        return [line for alert in inbox.got[before:] for line in alert["lines"]]

    report(state, "a", [BAD, ODD], now=START)
    assert told(START) == [
        "opened: x failed: 2 rows (holds all activations)",
        "opened: y is odd: it fell",
    ]
    assert told(START + HOUR) == []
    # Only what holds something escalates.
    assert told(START + 5 * HOUR) == ["still open: x failed: 2 rows (holds all activations)"]
    assert told(START + 9 * HOUR) == []
    report(state, "a", [], now=START + 10 * HOUR)
    assert told(START + 10 * HOUR) == []
    assert [line.partition(":")[0] for line in told(START + 11 * HOUR)] == ["over", "over"]
    assert told(START + 12 * HOUR) == []


def test_what_somebody_looks_after_does_not_escalate(
    state: sa.Engine, inbox: Inbox, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, alerts={"webhook_url": inbox.url})
    report(state, "a", [BAD], now=START)
    announce(state, settings, now=START)
    [one] = open_incidents(state)
    acknowledge(state, one.incident_id, by="Grace")
    announce(state, settings, now=START + 9 * HOUR)
    assert len(inbox.got) == 1
    with pytest.raises(InputError, match="no such open incident"):
        acknowledge(state, 99, by="Grace")


def test_what_was_late_and_holds_by_now_is_told_though_somebody_looked_after_it(
    state: sa.Engine, inbox: Inbox, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, alerts={"webhook_url": inbox.url, "escalate_hours": 4})
    late = Finding("source:a", "a is late", "20 hours")
    stale = Finding("source:a", "a is stale", "60 hours", "critical", holds="all activations")
    report(state, "a", [late], now=START)
    announce(state, settings, now=START)
    acknowledge(state, open_incidents(state)[0].incident_id, "ann")
    report(state, "a", [late], now=START + HOUR)
    assert open_incidents(state)[0].acknowledged_by == "ann"
    report(state, "a", [stale], now=START + 40 * HOUR)
    announce(state, settings, now=START + 40 * HOUR)
    assert inbox.got[-1]["lines"] == ["still open: a is stale: 60 hours (holds all activations)"]
    acknowledge(state, open_incidents(state)[0].incident_id, "bob")
    report(state, "a", [stale], now=START + 41 * HOUR)
    assert open_incidents(state)[0].acknowledged_by == "bob"


def test_an_alert_that_nobody_took_is_sent_again_and_one_that_is_over_is_not(
    state: sa.Engine, inbox: Inbox, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, alerts={"webhook_url": inbox.url})
    inbox.status = 500
    report(state, "a", [BAD, ODD], now=START)
    assert not announce(state, settings, now=START)
    inbox.status = 200
    report(state, "a", [BAD], now=START)
    assert announce(state, settings, now=START)
    [alert] = inbox.got
    assert alert["lines"] == ["opened: x failed: 2 rows (holds all activations)"]
    announce(state, settings, now=START + HOUR)
    assert len(inbox.got) == 1, "nobody was told that it began, so nobody is told that it ended"


def test_a_storm_is_told_in_a_few_alerts(state: sa.Engine, inbox: Inbox, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, alerts={"webhook_url": inbox.url, "max_per_hour": 2})
    for number in range(5):
        now = START + dt.timedelta(minutes=number)
        open_incident(state, "a", Finding(f"k{number}", f"{number} broke", "x"), now=now)
        announce(state, settings, now=now)
    assert len(inbox.got) == 2
    announce(state, settings, now=START + 2 * HOUR)
    assert inbox.got[-1]["title"] == "3 opened: 2 broke and others"


def test_alerts_of_a_clock_that_was_ahead_do_not_count_when_it_is_set_right(
    state: sa.Engine, inbox: Inbox, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, alerts={"webhook_url": inbox.url, "max_per_hour": 2})
    for number, now in enumerate((START + 900 * HOUR, START + 900 * HOUR, START)):
        open_incident(state, "a", Finding(f"k{number}", f"{number} broke", "x"), now=now)
        announce(state, settings, now=now)
    assert [alert["title"] for alert in inbox.got][-1] == "1 opened: 2 broke"


def test_every_channel_is_told_in_its_own_way(
    state: sa.Engine, inbox: Inbox, tmp_path: Path
) -> None:
    finding = Finding(
        "check:<x>", "<x> failed", "ada@example.com called +49 171 1234567", "critical"
    )
    with SmallSmtp() as mails:
        settings = settings_of(
            tmp_path,
            alerts={
                "slack_url": inbox.url,
                "pagerduty_key": "routing-key-hush",
                "pagerduty_url": inbox.url,
                "email": {
                    "host": "127.0.0.1",
                    "port": mails.port,
                    "security": "none",
                    "from_email": "alerts@shop.example",
                    "to": ["ops@shop.example"],
                },
            },
        )
        report(state, "a", [finding], now=START)
        assert announce(state, settings, now=START)
        report(state, "a", [], now=START + HOUR)
        assert announce(state, settings, now=START + 2 * HOUR)
    slack, page, _, resolved = inbox.got
    assert slack["text"].startswith("*1 opened: &lt;x&gt; failed*")
    assert (page["event_action"], page["dedup_key"]) == ("trigger", "check:<x>")
    assert page["payload"]["severity"] == "critical"
    assert (resolved["event_action"], resolved["dedup_key"]) == ("resolve", "check:<x>")
    opened, over = mails.mails
    assert opened["Subject"] == "1 opened: <x> failed"
    assert over["Subject"].startswith("1 over")
    everything = json.dumps(inbox.got) + "".join(map(str, mails.mails))
    assert "ada@" not in everything
    assert "1234567" not in everything


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("ada.l+x@mail.example.com is bad", "[e-mail] is bad"),
        ("call +49 (171) 1234-567 now", "call [phone] now"),
        ("2026-03-01 12:00: 1,234,567 rows, +12 %", "2026-03-01 12:00: 1,234,567 rows, +12 %"),
    ],
)
def test_personal_data_is_taken_out_and_figures_stay(text: str, clean: str) -> None:
    assert scrubbed(text) == clean


@pytest.mark.parametrize("word", ["x", "+1", "a.", "1-"])
def test_what_is_long_in_the_data_holds_up_no_alert(word: str) -> None:
    started = time.monotonic()
    assert scrubbed(f"{word * 20_000} ada@example.com").endswith(" [e-mail]")
    assert time.monotonic() - started < 1
    assert len(str(Violation("event", "is_one_of", 3, (word * 20_000,) * 3))) < 500


def test_what_an_incident_holds_follows_from_the_tables(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, sources={"files": {"orders": {"path": "orders.csv"}}})
    assert held_by(settings, "core.orders") == "all activations"
    assert held_by(settings, "segments.sizes") == "all activations"
    assert held_by(settings, "quality.quarantine") is None
    assert held_by(settings, "profiles.history") is None


def test_findings_are_of_checks_sources_plans_and_the_ledger(
    state: sa.Engine, tmp_path: Path
) -> None:
    settings = settings_of(
        tmp_path,
        sources={"files": {"orders": {"path": "orders.csv"}}},
        destinations={name: {"type": "files"} for name in ("always", "new", "waits")},
        activations=[{"segment": "vip", "destination": "always"}],
    )
    record_check(state, CheckResult("core.orders", "contract", False, "2 rows"))
    record_check(state, CheckResult("predictions.models", "weak", False, "x", is_blocking=False))
    record_build(state, "core.events", 9, START - 60 * HOUR)
    with state.begin() as connection:
        plan = {
            "destination": "always",
            "audience": "vip",
            "status": "held",
            "held_reason": "would remove 60 of 100",
            "created_at": START,
            "as_of": START,
            "eligible_count": 0,
            **dict.fromkeys(
                (
                    *("add_count", "update_count", "remove_count", "suppressed_count"),
                    *("superseded_count", "audience_count", "wanted_count"),
                ),
                0,
            ),
        }
        connection.execute(sa.insert(plans), [plan])
        row = {
            "plan_id": 1,
            "audience": "vip",
            "operation": "add",
            "payload": "{}",
            "content_version": "x",
        }
        sent = [
            {
                **row,
                "message_key": f"k{days}",
                "destination": "always",
                "customer_id": f"c{days}",
                "sequence": 0,
                "state": "planned",
                "created_at": START - dt.timedelta(days=days),
            }
            for days in range(4, 16)
        ]
        waits = {
            **sent[0],
            "message_key": "w",
            "destination": "waits",
            "created_at": START - 30 * HOUR,
        }
        connection.execute(sa.insert(messages), [*sent, waits])
        requests = [
            {
                "batch_id": one["message_key"],
                "destination": "always",
                "audience": "vip",
                "is_exclusive": False,
                "lease_owner": "me",
                "lease_expires_at": one["created_at"],
                "created_at": one["created_at"],
                "closed_at": one["created_at"],
            }
            for one in sent
        ]
        connection.execute(sa.insert(batches), requests)
        for change in (
            "set state = 'in_flight', batch_id = message_key",
            "set state = 'sent', settled_at = created_at",
        ):
            connection.exec_driver_sql(f"update messages {change} where destination = 'always'")
    found = {finding.key: finding for finding in find_all(state, settings, now=START)}
    assert set(found) == {
        "check:core.orders:contract",
        "check:predictions.models:weak",
        "stale:core.events",
        "plan:always:vip",
        "silent:always",
        "waiting:waits",
    }
    assert found["check:core.orders:contract"].severity == "critical"
    assert found["check:predictions.models:weak"].holds is None
    assert found["plan:always:vip"].holds == "vip -> always"
    assert found["waiting:waits"].detail == "1 rows, the oldest for 30 hours"


def test_a_disk_without_room_for_the_warehouse_once_more_is_told(
    state: sa.Engine, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    settings.data_dir.mkdir(exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free

    def told() -> list[str]:
        found = find_all(state, settings, now=START)
        return [one.severity for one in found if one.key == "disk"]

    assert told() == []
    # Takes no room: nothing of it is written.
    with settings.warehouse_path.open("wb") as file:
        file.truncate(2 * free)
    assert told() == ["critical"]

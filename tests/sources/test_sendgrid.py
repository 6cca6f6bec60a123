"""SendGrid: what is asked, and what is read from a folder."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr, ValidationError
from samples.sendgrid import SAMPLES
from spec_client import SpecClient, pages
from staged_samples import stage

from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.sendgrid.source import SYSTEM, SendGridSettings
from marketing_platform.sources.stream import Query, Window

SPEC = "sendgrid/tsg_suppressions_v3.json"
WINDOW = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 8, tzinfo=dt.UTC))
FIRST, END = int(WINDOW.first.timestamp()), int(WINDOW.end.timestamp())
SETTINGS = SendGridSettings(type="sendgrid", api_key=SecretStr("SG.test"))


def answer(path: str, params: dict[str, str]) -> Any:
    """More than one page of bounces, and none of all else."""
    if not path.endswith("/bounces"):
        return []
    return [{"email": "a@example.com"}] * (500 if "offset" not in params else 3)


def test_each_suppression_list_is_read_to_its_end() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    read = list(pages(SYSTEM.stream("suppressions").walk, client, SETTINGS, WINDOW))
    assert [page.extra["list"] for page, _ in read] == [
        "bounces",
        "bounces",
        "blocks",
        "invalid_emails",
        "spam_reports",
        "unsubscribes",
    ]
    assert read[-1][1] is None
    assert client.asked[0][1] == {
        "start_time": str(FIRST),
        "end_time": str(END - 1),
        "limit": "500",
    }
    assert client.asked[1][1]["offset"] == "500"


def test_doctor_tries_every_list() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    assert SYSTEM.probe
    SYSTEM.probe(client, SETTINGS)
    assert len(client.asked) == 6


def event(key: str, moment: Any, kind: str = "delivered") -> dict[str, Any]:
    return {"sg_event_id": key, "timestamp": moment, "event": kind, "email": "a@example.com"}


def pulled(folder: Path) -> list[Any]:
    settings = SendGridSettings(type="sendgrid", events_folder=str(folder))
    walk = SYSTEM.stream("events").walk
    assert isinstance(walk, Query)
    with duckdb.connect() as connection:
        select = walk.select(connection, settings, WINDOW)
        return [json.loads(row[0]) for row in connection.execute(select).fetchall()]


def test_events_are_read_one_a_line_or_as_the_list_of_one_call(tmp_path: Path) -> None:
    calls = [event("one", FIRST), [event("two", FIRST), event("three", END - 1)], []]
    (tmp_path / "calls.jsonl").write_text("\n".join(map(json.dumps, calls)) + "\n")
    assert [one["sg_event_id"] for one in pulled(tmp_path)] == ["one", "two", "three"]


def test_a_call_is_read_as_sendgrid_writes_it_with_an_event_a_line(tmp_path: Path) -> None:
    events = [{**event(key, FIRST), "category": ["a", "b"]} for key in ("one", "two", "three")]
    body = "[" + ",\r\n".join(map(json.dumps, events)) + "]\r\n"
    (tmp_path / "call.json").write_text(body, newline="")
    (tmp_path / "other.json").write_text(body.replace("one", "four")[:-3] + "\n]\n", newline="")
    assert sorted(one["sg_event_id"] for one in pulled(tmp_path)) == [
        *("four", "one", "three", "three", "two", "two"),
    ]


def test_only_the_windows_events_are_read_and_no_attempts(tmp_path: Path) -> None:
    calls = [
        event("before", FIRST - 1),
        event("first", FIRST),
        event("trying", FIRST, "deferred"),
        event("end", END),
        event("no moment", "soon"),
    ]
    (tmp_path / "calls.jsonl").write_text("\n".join(map(json.dumps, calls)))
    assert [one["sg_event_id"] for one in pulled(tmp_path)] == ["first", "no moment"]


def test_a_broken_line_is_kept_and_takes_no_other_with_it(tmp_path: Path) -> None:
    broken = '[{"sg_event_id": "cut'
    lines = [json.dumps(event("one", FIRST)), broken, "", json.dumps(event("two", FIRST))]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines))
    read = pulled(tmp_path)
    assert broken in read
    assert len(read) == 3


def test_an_empty_folder_has_no_events_and_a_missing_one_is_told(tmp_path: Path) -> None:
    assert pulled(tmp_path) == []
    with pytest.raises(SourceError, match="no such folder"):
        pulled(tmp_path / "none")


def test_the_same_bounce_is_not_read_from_both_the_lists_and_the_webhook(tmp_path: Path) -> None:
    both = SendGridSettings(type="sendgrid", api_key=SecretStr("SG.x"), events_folder=str(tmp_path))
    assert [stream.name for stream in SYSTEM.all_streams(both)] == ["events"]
    assert [stream.name for stream in SYSTEM.all_streams(SETTINGS)] == [
        "suppressions",
        "group_suppressions",
    ]
    with pytest.raises(ValidationError, match="needs api_key or events_folder"):
        SendGridSettings(type="sendgrid")


COLUMNS = ("engagement", "bounce_type", "email", "occurred_at", "quarantine_reason")
LEFT = ("engagement", "email", "occurred_at", "quarantine_reason")


def test_a_suppressed_address_bounced_complained_or_left(
    make_settings: Callable[..., Settings],
) -> None:
    rows = stage(make_settings, "sendgrid", {"api_key": "${SENDGRID_KEY}"}, SAMPLES)
    assert [tuple(row.values()) for row in rows("engagements__suppressions", *COLUMNS)] == [
        ("bounced", "soft", "milton@example.com", dt.datetime(2026, 1, 5, 11), None),
        ("bounced", "hard", "peter@example.com", dt.datetime(2026, 1, 5, 10), None),
        ("complained", None, "milton@example.com", dt.datetime(2026, 1, 5, 12), None),
    ]


def test_who_left_a_group_is_read_from_the_one_list_of_all_groups() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    read = list(pages(SYSTEM.stream("group_suppressions").walk, client, SETTINGS, WINDOW))
    assert [path for path, _ in client.asked] == ["/v3/asm/suppressions"]
    assert read[-1][1] is None


def test_who_left_a_group_left_the_mails(make_settings: Callable[..., Settings]) -> None:
    rows = stage(make_settings, "sendgrid", {"api_key": "${SENDGRID_KEY}"}, SAMPLES)
    assert [tuple(row.values()) for row in rows("engagements__group_suppressions", *LEFT)] == [
        ("unsubscribed", "ada@example.com", dt.datetime(2026, 1, 5, 10), None)
    ]


def test_an_open_by_a_mail_program_is_told_apart(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    sample = next(event for event in SAMPLES["events"] if event["event"] == "click")
    events = [
        {**sample, "sg_event_id": str(is_machine), "event": "open", "sg_machine_open": is_machine}
        for is_machine in (False, True)
    ]
    rows = stage(make_settings, "sendgrid", {"events_folder": str(tmp_path)}, {"events": events})
    assert [row["engagement"] for row in rows("engagements", "engagement")] == [
        "opened",
        "machine_opened",
    ]


def test_an_event_of_the_webhook_is_an_engagement(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    rows = stage(make_settings, "sendgrid", {"events_folder": str(tmp_path)}, SAMPLES)
    moment = dt.datetime(2026, 1, 5, 10)
    peter = "peter@example.com"
    reason = "not about a message: account_status_change"
    assert [tuple(row.values()) for row in rows("engagements", *COLUMNS)] == [
        (None, None, peter, moment, reason),
        ("bounced", "soft", peter, moment, None),
        ("clicked", None, peter, moment, None),
    ]
    (*_, clicked) = rows("engagements", "campaign_name", "url", "source_campaign_id")
    assert tuple(clicked.values()) == (
        "Winter sale",
        "https://shop.example.com/sale",
        "27c21bbf-a12c-440b-b8bf-c526975328ca",
    )


def test_who_comes_back_to_a_group_is_back_only_where_they_left_nothing_else(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    told = {
        "left one": [("group_unsubscribe", 1), ("group_resubscribe", 1)],
        "left all": [("unsubscribe", None), ("group_resubscribe", 1)],
        "left another": [("group_unsubscribe", 1), ("group_unsubscribe", 2),
                         ("group_resubscribe", 2)],
        "left two": [("group_unsubscribe", 1), ("group_unsubscribe", 2),
                     ("group_resubscribe", 2), ("group_resubscribe", 1)],
        "left twice": [("group_unsubscribe", 1), ("group_unsubscribe", 1),
                       ("group_resubscribe", 1)],
        "came first": [("group_resubscribe", 1), ("group_unsubscribe", 1)],
    }  # fmt: skip
    events = [
        {
            **SAMPLES["events"][0],
            "sg_event_id": f"{who} {place}",
            "event": kind,
            "timestamp": FIRST + place,
            "email": f"{'Ada' if place else 'ada'}.{who.replace(' ', '.')}@example.com",
            "asm_group_id": group,
        }
        for who, events in told.items()
        for place, (kind, group) in enumerate(events)
    ]
    rows = stage(make_settings, "sendgrid", {"events_folder": str(tmp_path)}, {"events": events})
    last = {
        row["source_engagement_id"].rpartition(" ")[0]: row["engagement"] or row["outcome"]
        for row in rows("engagements", "source_engagement_id", "engagement", "outcome")
    }
    assert last == {
        "left one": "resubscribed",
        "left all": "quarantined",
        "left another": "quarantined",
        "left two": "resubscribed",
        "left twice": "resubscribed",
        "came first": "unsubscribed",
    }


@pytest.mark.parametrize(
    ("reason", "engagement", "bounce_type"),
    [
        ("Unsubscribed Address", "unsubscribed", None),
        ("Spam Reporting Address", "complained", None),
        ("Bounced Address", "bounced", "hard"),
        ("Invalid", "bounced", "hard"),
        ("Spam Content", "failed", None),
        (None, "failed", None),
    ],
)
def test_a_mail_that_sendgrid_drops_tells_what_it_knew_of_the_address(
    reason: str | None,
    engagement: str,
    bounce_type: str | None,
    tmp_path: Path,
    make_settings: Callable[..., Settings],
) -> None:
    sample = next(event for event in SAMPLES["events"] if event["event"] == "click")
    dropped = {**sample, "sg_event_id": "1", "event": "dropped", "reason": reason}
    # Who left all mails, or complained of one, is not back by coming back to a group.
    back = {
        **sample, "sg_event_id": "2", "event": "group_resubscribe", "asm_group_id": 7,
        "timestamp": sample["timestamp"] + 60,
    }  # fmt: skip
    given = {"events_folder": str(tmp_path)}
    rows = stage(make_settings, "sendgrid", given, {"events": [dropped, back]})
    first, second = rows("engagements", "engagement", "bounce_type")
    assert tuple(first.values()) == (engagement, bounce_type)
    has_left = engagement in ("unsubscribed", "complained")
    assert second["engagement"] == (None if has_left else "resubscribed")

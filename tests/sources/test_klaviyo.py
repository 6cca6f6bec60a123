"""Klaviyo: what is asked, and what becomes of the answers."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr
from samples.klaviyo import SAMPLES
from spec_client import SpecClient, pages
from staged_samples import stage

from marketing_platform.settings import Settings
from marketing_platform.sources.klaviyo.source import METRICS, SYSTEM, KlaviyoSettings
from marketing_platform.sources.stream import Window

SPEC = "klaviyo/stable.json"
WINDOW = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 8, tzinfo=dt.UTC))
SETTINGS = KlaviyoSettings(type="klaviyo", api_key=SecretStr("pk_test"))
METRIC_KEYS = {"R1": "Received Email", "P1": "Placed Order", "O1": "Opened Email"}
EVENTS = SYSTEM.stream("events").walk


def answer(path: str, params: dict[str, str]) -> Any:
    """Two pages of events for each metric, one page of all else."""
    if path == "/api/metrics":
        data = [{"id": key, "attributes": {"name": name}} for key, name in METRIC_KEYS.items()]
        return {"data": data, "links": {"next": None}}
    following = f"https://a.klaviyo.com{path}?page%5Bcursor%5D=two&filter={params.get('filter')}"
    has_more = path == "/api/events" and "page[cursor]" not in params
    return {"data": [{"id": str(params)}], "links": {"next": following if has_more else None}}


def test_events_of_each_metric_about_messages_are_read_and_no_others() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    read = list(pages(EVENTS, client, SETTINGS, WINDOW))
    assert [page.extra for page, _ in read] == [
        *[{"metric": "Received Email", "metric_id": "R1"}] * 2,
        *[{"metric": "Opened Email", "metric_id": "O1"}] * 2,
    ]
    assert read[-1][1] is None
    assert client.asked[1][1] == {
        "filter": 'equals(metric_id,"R1"),greater-or-equal(datetime,2026-01-01T00:00:00Z),'
        "less-than(datetime,2026-01-08T00:00:00Z)",
        "sort": "datetime",
        "page[size]": "200",
    }


def test_a_pull_goes_on_where_it_stopped_without_asking_for_metrics_again() -> None:
    whole = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    list(pages(EVENTS, whole, SETTINGS, WINDOW))
    for count in (1, 2, 3):
        first = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
        *_, (_, state) = itertools.islice(pages(EVENTS, first, SETTINGS, WINDOW), count)
        rest = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
        list(pages(EVENTS, rest, SETTINGS, WINDOW, state))
        assert [*first.asked, *rest.asked] == whole.asked
        assert "pk_test" not in str(state)


def test_an_account_without_such_metrics_has_one_empty_page() -> None:
    client = SpecClient(SYSTEM, SETTINGS, lambda *_: {"data": [], "links": {}}, SPEC)
    [(page, state)] = pages(EVENTS, client, SETTINGS, WINDOW)
    assert (page.content, state) == (b"[]", None)


def test_profiles_are_read_with_their_consent_by_the_day_they_changed() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    assert len(list(pages(SYSTEM.stream("profiles").walk, client, SETTINGS, WINDOW))) == 1
    [(path, params)] = client.asked
    assert path == "/api/profiles"
    assert params["additional-fields[profile]"] == "subscriptions"
    assert params["filter"] == (
        "greater-than(updated,2025-12-31T23:59:59Z),less-than(updated,2026-01-08T00:00:00Z)"
    )


def test_reviews_of_every_status_are_read_whole() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    assert len(list(pages(SYSTEM.stream("reviews").walk, client, SETTINGS, WINDOW))) == 1
    [(path, params)] = client.asked
    assert path == "/api/reviews"
    assert params == {"filter": 'equals(status,"all")', "sort": "created", "page[size]": "100"}


def test_doctor_tells_how_many_metrics_there_are() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    assert SYSTEM.probe
    assert SYSTEM.probe(client, SETTINGS) == "2 metrics about messages"


def test_the_revision_and_the_key_go_with_every_request() -> None:
    assert SYSTEM.api
    headers = SYSTEM.api(SETTINGS).headers
    assert headers["revision"] == "2026-07-15"
    assert headers["Authorization"] == "Klaviyo-API-Key pk_test"
    assert len(set(METRICS)) == len(METRICS)


def test_an_event_is_an_engagement_by_its_metric(make_settings: Callable[..., Settings]) -> None:
    rows = stage(make_settings, "klaviyo", {"api_key": "${KLAVIYO_KEY}"}, SAMPLES)
    columns = (
        "source_engagement_id",
        "channel",
        "engagement",
        "bounce_type",
        "occurred_at",
        "source_contact_id",
        "email",
        "source_campaign_id",
        "campaign_name",
        "url",
        "outcome",
    )
    peter, milton = "01GDDKASAP8TKDDA2GRZDSVP4H", "01GDDKASAP8TKDDA2GRZDSVP4J"
    clicked, bounced, left, ordered = (tuple(row.values()) for row in rows("engagements", *columns))
    assert clicked == (
        "3gBNHPGp",
        "email",
        "clicked",
        None,
        dt.datetime(2026, 1, 5, 10),
        peter,
        "peter@example.com",
        "LyZ7re",
        "Winter sale",
        "https://shop.example.com/sale",
        "accepted",
    )
    assert bounced[:8] == (
        "3gBNHPGq",
        "email",
        "bounced",
        "soft",
        dt.datetime(2026, 1, 5, 10),
        milton,
        None,
        "XhBwPe",
    )
    assert left[1:3] == ("sms", "unsubscribed")
    assert ordered[-1] == "quarantined"


def test_what_a_mail_program_or_a_filter_does_is_told_apart(
    make_settings: Callable[..., Settings],
) -> None:
    (sample, *_) = SAMPLES["events"]
    properties = sample["attributes"]["event_properties"]

    def event(key: str, metric: str, **told: Any) -> dict[str, Any]:
        attributes = {**sample["attributes"], "event_properties": {**properties, **told}}
        return {**sample, "id": key, "_page": {"metric": metric}, "attributes": attributes}

    events = [
        event("1", "Opened Email", machine_open=False),
        event("2", "Opened Email", machine_open=True),
        event("3", "Opened Email", **{"Apple Privacy Open": "True"}),
        event("4", "Clicked Email", **{"Bot Click": True}),
        event("5", "Clicked Email", **{"Bot Click": False}),
    ]
    rows = stage(make_settings, "klaviyo", {"api_key": "${KLAVIYO_KEY}"}, {"events": events})
    found = [row["engagement"] for row in rows("engagements", "engagement")]
    assert found == ["opened", "machine_opened", "machine_opened", "machine_clicked", "clicked"]


def test_a_message_is_one_to_each_who_got_it(make_settings: Callable[..., Settings]) -> None:
    (sample, *_) = SAMPLES["events"]
    metrics = ("Received Email", "Opened Email")
    events = [
        {
            **sample, "id": f"{who}-{metric}", "_page": {"metric": metric},
            "relationships": {
                **sample["relationships"], "profile": {"data": {"type": "profile", "id": who}},
            },
        }
        for who in ("anna", "ben")
        for metric in metrics
    ]  # fmt: skip
    rows = stage(make_settings, "klaviyo", {"api_key": "${KLAVIYO_KEY}"}, {"events": events})
    found = rows("engagements", "source_contact_id", "source_message_id")
    assert len({row["source_message_id"] for row in found}) == 2
    assert all(str(row["source_message_id"]).endswith(row["source_contact_id"]) for row in found)


def test_a_message_that_a_flow_sends_again_is_another_one(
    make_settings: Callable[..., Settings],
) -> None:
    (sample, *_) = SAMPLES["events"]
    properties = sample["attributes"]["event_properties"]
    events = []
    for key, sending in enumerate(("1767600000:LyZ7re", "1767600000:LyZ7re", "1767900000:LyZ7re")):
        told = {**properties, "$_cohort$message_send_cohort": sending}
        attributes = {**sample["attributes"], "event_properties": told}
        events.append({**sample, "id": str(key), "attributes": attributes})
    rows = stage(make_settings, "klaviyo", {"api_key": "${KLAVIYO_KEY}"}, {"events": events})
    first, second, again = (
        row["source_message_id"] for row in rows("engagements", "source_message_id")
    )
    assert first == second != again


def test_every_metric_that_is_read_is_an_engagement(make_settings: Callable[..., Settings]) -> None:
    (sample, *_) = SAMPLES["events"]
    events = [
        {**sample, "id": str(place), "_page": {"metric": metric}}
        for place, metric in enumerate(METRICS)
    ]
    rows = stage(make_settings, "klaviyo", {"api_key": "${KLAVIYO_KEY}"}, {"events": events})
    found = rows("engagements", "channel", "engagement", "quarantine_reason")
    assert len(found) == len(METRICS)
    assert all(row["channel"] and row["engagement"] for row in found)
    assert {row["quarantine_reason"] for row in found} == {None}


def test_who_is_suppressed_has_no_consent(make_settings: Callable[..., Settings]) -> None:
    rows = stage(make_settings, "klaviyo", {"api_key": "${KLAVIYO_KEY}"}, SAMPLES)
    columns = ("email", "phone", "first_name", "country", "has_email_consent", "has_sms_consent")
    assert [tuple(row.values()) for row in rows("contacts", *columns)] == [
        ("peter@example.com", "+15005550006", "Peter", "United States", True, False),
        ("milton@example.com", None, None, None, False, None),
    ]


def test_a_review_has_its_stars_and_a_question_is_none(
    make_settings: Callable[..., Settings],
) -> None:
    given = {"api_key": "${KLAVIYO_KEY}", "streams": ["reviews"]}
    rows = stage(make_settings, "klaviyo", given, SAMPLES)
    columns = ("source_review_id", "email", "source_product_id", "rating", "is_verified",
               "is_published", "is_deleted", "review_date", "quarantine_reason")  # fmt: skip
    fifth, sixth = dt.date(2026, 1, 5), dt.date(2026, 1, 6)
    assert [tuple(row.values()) for row in rows("reviews", *columns)] == [
        ("2134228", "peter@example.com", "9301", 2, True, True, False, fifth, None),
        ("2134229", None, None, 5, False, False, False, sixth, None),
        ("2134230", "milton@example.com", "9301", None, False, True, False, sixth, "a question"),
        ("2134231", "peter@example.com", "9301", 7, True, True, False, sixth, "not 1 to 5 stars"),
        ("2134232", "peter@example.com", "9301", 1, True, False, True, sixth, None),
    ]

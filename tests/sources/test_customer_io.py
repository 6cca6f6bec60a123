"""Customer.io: what is asked."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr
from samples.customer_io import SAMPLES
from spec_client import SpecClient, pages
from staged_samples import stage

from marketing_platform.settings import Settings
from marketing_platform.sources.customer_io.source import METRICS, SYSTEM, CustomerIoSettings
from marketing_platform.sources.stream import Window

FIRST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WINDOW = Window(FIRST, FIRST + dt.timedelta(days=7))
SETTINGS = CustomerIoSettings(
    type="customer_io", api_key=SecretStr("app"), metrics=("sent", "opened")
)
MESSAGES = SYSTEM.stream("messages").walk


def answer(path: str, params: dict[str, str]) -> Any:
    return {"messages": [{"id": str(params)}], "next": "" if "start" in params else "two"}


def test_messages_are_read_for_each_metric_to_the_end() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer)
    read = list(pages(MESSAGES, client, SETTINGS, WINDOW))
    assert [page.extra["metric"] for page, _ in read] == ["sent", "sent", "opened", "opened"]
    assert read[-1][1] is None
    assert client.asked[0] == (
        "/v1/messages",
        {
            "metric": "sent",
            "start_ts": str(int(WINDOW.first.timestamp())),
            "end_ts": str(int(WINDOW.end.timestamp())),
            "limit": "1000",
        },
    )
    assert client.asked[1][1]["start"] == "two"


def test_a_pull_goes_on_where_it_stopped() -> None:
    whole = SpecClient(SYSTEM, SETTINGS, answer)
    list(pages(MESSAGES, whole, SETTINGS, WINDOW))
    for count in (1, 2, 3):
        first, rest = (SpecClient(SYSTEM, SETTINGS, answer) for _ in range(2))
        *_, (_, state) = itertools.islice(pages(MESSAGES, first, SETTINGS, WINDOW), count)
        list(pages(MESSAGES, rest, SETTINGS, WINDOW, state))
        assert [*first.asked, *rest.asked] == whole.asked


def test_no_request_asks_for_more_than_six_months() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer)
    list(pages(MESSAGES, client, SETTINGS, Window(FIRST, FIRST + dt.timedelta(days=400))))
    spans = sorted({(int(params["start_ts"]), int(params["end_ts"])) for _, params in client.asked})
    assert len(spans) == 3
    assert all(end - start <= 181 * 86400 for start, end in spans)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))


def test_doctor_asks_for_one_message_and_all_metrics_are_read_unless_told() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer)
    assert SYSTEM.probe
    SYSTEM.probe(client, SETTINGS)
    assert client.asked == [("/v1/messages", {"limit": "1"})]
    assert CustomerIoSettings(type="customer_io", api_key=SecretStr("a")).metrics == METRICS


def test_each_metric_of_a_message_is_an_engagement_at_its_own_moment(
    make_settings: Callable[..., Settings],
) -> None:
    rows = stage(make_settings, "customer_io", {"api_key": "${CUSTOMER_IO_KEY}"}, SAMPLES)
    columns = ("channel", "engagement", "occurred_at", "email", "phone", "quarantine_reason")
    peter, sent = "peter@example.com", dt.datetime(2026, 1, 5, 10)
    undelivered = dt.datetime(2026, 1, 5, 10, 1, 40)
    assert [tuple(row.values()) for row in rows("engagements", *columns)] == [
        ("email", "opened", dt.datetime(2026, 1, 5, 11), peter, None, None),
        ("email", "sent", sent, peter, None, None),
        ("sms", "failed", undelivered, peter, "+15125550101", None),
        (None, "sent", sent, peter, None, "not a channel that we know"),
    ]
    keys = rows("engagements", "source_contact_id", "source_campaign_id", "source_message_id")
    assert tuple(keys[0].values()) == ("7", "23", "dgOq6QWq6QUBAAF4")


def test_an_open_is_a_persons_where_one_is_told_and_a_machines_where_only_that_is(
    make_settings: Callable[..., Settings],
) -> None:
    at = {"prefetched": 1767610900, "read": 1767614400}
    told = {
        "opened": {"opened": at["prefetched"]},
        "prefetch": {"opened": at["prefetched"], "prefetch_opened": at["prefetched"]},
        "both": {
            "opened": at["prefetched"], "prefetch_opened": at["prefetched"],
            "human_opened": at["read"],
        },
        "filter": {"clicked": at["prefetched"], "machine_clicked": at["prefetched"]},
        "person": {"clicked": at["read"], "human_clicked": at["read"]},
    }  # fmt: skip
    (sample, *_) = SAMPLES["messages"]
    messages = [
        {**sample, "id": name, "_page": {"metric": next(iter(metrics))}, "metrics": metrics}
        for name, metrics in told.items()
    ]
    rows = stage(
        make_settings, "customer_io", {"api_key": "${CUSTOMER_IO_KEY}"}, {"messages": messages}
    )
    found = {
        row["source_message_id"]: row["engagement"]
        for row in rows("engagements", "source_message_id", "engagement")
    }
    assert found == {
        "opened": "opened",
        "prefetch": "machine_opened",
        "both": "opened",
        "filter": "machine_clicked",
        "person": "clicked",
    }
    (moment,) = [
        row["occurred_at"]
        for row in rows("engagements", "source_message_id", "occurred_at")
        if row["source_message_id"] == "both"
    ]
    assert moment == dt.datetime.fromtimestamp(at["read"], dt.UTC).replace(tzinfo=None)

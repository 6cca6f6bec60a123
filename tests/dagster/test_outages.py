"""Nothing ran for hours or days: what the next ticks ask for, and that nothing is lost or doubled.

The clock is the test's own: a tick is told when it was due.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import dagster as dg
import pytest
from tiny_orders import key, living_lines
from tiny_settings import export_of, living_settings

from marketing_platform.definitions import build_definitions, prepare_instance, run_job
from marketing_platform.quality.results import record_build
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.state import messages, open_state, reading
from marketing_platform.warehouse import Warehouse

DAY = dt.timedelta(days=1)
LONG_AGO = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0) - 4 * DAY
BUYERS = 60


def tick(settings: Settings, schedule: str, due_at: dt.datetime) -> None:
    """Run what a schedule asks for at a moment."""
    definitions = build_definitions(settings)
    asked, job = definitions.resolve_schedule_def(schedule), definitions.resolve_job_def("ingest")
    repository = definitions.get_repository_def()
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=due_at, repository_def=repository
        ) as context:
            (request,) = asked.evaluate_tick(context).run_requests or ()
        job.execute_in_process(
            instance=instance,
            tags=request.tags,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
        )


def told(settings: Settings) -> list[str]:
    with reading(open_state(settings.state_url.get_secret_value())) as connection:
        rows = connection.execute(messages.select().where(messages.c.state == "sent"))
        return sorted(f"{row.operation} {row.customer_id}" for row in rows)


@pytest.fixture(scope="module")
def long_ago(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop that was loaded, built and told of four days ago."""
    folder = tmp_path_factory.mktemp("outage")
    # The present is four days later than this test says.
    settings = living_settings(folder, freshness={"stale_hours": 1000})
    export_of(settings).write_text(living_lines(LONG_AGO, 5), encoding="utf-8")
    ingest(settings, "orders")
    assert run_job(settings, "build").success
    assert run_job(settings, "activation").success
    return settings


def test_after_hours_and_after_days_one_load_brings_all_and_nobody_is_told_twice(
    long_ago: Settings,
) -> None:
    before = told(long_ago)
    assert len(before) == BUYERS
    up_at, days, new = LONG_AGO, 5.0, 0
    for outage in (dt.timedelta(hours=6), dt.timedelta(days=3)):
        # Everything since is in the export; the tick that was missed comes late.
        up_at, days, new = up_at + outage, days + outage / DAY, new + 3
        lines = living_lines(up_at, days, new)
        export_of(long_ago).write_text(lines, encoding="utf-8")
        tick(long_ago, "daily_ingest", up_at)
        count = Warehouse(long_ago.warehouse_path).query("select count(*) from core.orders").item()
        assert count == len(lines.splitlines()) - 1, "what nobody loaded at its time is no hole"
    assert run_job(long_ago, "build").success
    for _ in range(2):
        assert run_job(long_ago, "activation").success
    after = told(long_ago)
    assert len(after) == BUYERS + new
    assert len(set(after)) == len(after), "nobody is told twice"
    assert set(before) < set(after)


def test_a_load_takes_in_all_that_an_export_says_however_long_ago_it_was(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    settings = living_settings(tmp_path, destinations={}, activations=[])

    def load(*statuses: str) -> set[str]:
        """Which orders are there, of which each next one is of a month or a year before."""
        lines = [
            f"{number},k,{now - ago:%Y-%m-%d %H:%M},5,{status}\n"
            for number, (ago, status) in enumerate(
                zip((0 * DAY, 30 * DAY, 400 * DAY), statuses, strict=True)
            )
        ]
        header = "order id,customer id,date,amount,status\n"
        export_of(settings).write_text(header + "".join(lines), encoding="utf-8")
        # A later one of the day looks first whether this one failed.
        tick(settings, "daily_ingest", now.replace(hour=4))
        warehouse = Warehouse(settings.warehouse_path)
        return set(warehouse.query("select source_order_id from core.orders").to_series())

    assert load("paid", "paid", "paid") == {"0", "1", "2"}
    assert load("paid", "cancelled", "paid") == {"0", "2"}
    assert load("paid", "cancelled", "refunded") == {"0"}


def test_a_load_that_failed_is_tried_again_in_an_hour_and_one_that_did_not_is_not(
    tmp_path: Path,
) -> None:
    six = dt.datetime(2026, 3, 20, 6, tzinfo=dt.UTC)
    settings = living_settings(tmp_path, shop={"timezone": "UTC", "currency": "EUR"})
    schedule = build_definitions(settings).resolve_schedule_def("daily_ingest")
    assert schedule.cron_schedule == "0 6-11 * * *"
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:

        def asked(hour: int) -> dg.RunRequest | None:
            moment = six + dt.timedelta(hours=hour - 6)
            with dg.build_schedule_context(
                instance=instance, scheduled_execution_time=moment
            ) as context:
                requests = schedule.evaluate_tick(context).run_requests or ()
            return requests[0] if requests else None

        def run(request: dg.RunRequest | None, status: dg.DagsterRunStatus) -> None:
            assert request is not None
            instance.add_run(dg.DagsterRun("ingest", status=status, tags=request.tags))

        run(asked(6), dg.DagsterRunStatus.FAILURE)
        run(asked(7), dg.DagsterRunStatus.STARTED)
        assert asked(8) is None, "it is under way"
        instance.report_run_failed(instance.get_runs(limit=1)[0])
        run(asked(9), dg.DagsterRunStatus.SUCCESS)
        assert asked(10) is None
        run(asked(30), dg.DagsterRunStatus.CANCELED)
        assert asked(31) is None, "somebody stopped it"
        assert asked(24 + 31) is not None, "a machine that was off at six loads later"


def test_an_hourly_source_is_in_core_after_the_first_tick_that_comes(tmp_path: Path) -> None:
    now = dt.datetime(2026, 3, 20, 14, 30, tzinfo=dt.UTC)
    calls = tmp_path / "calls"
    calls.mkdir()
    site = {
        "type": "segment_events", "folder": str(calls), "every": "hour",
        "history_start": "2026-03-18",
    }  # fmt: skip
    settings = living_settings(
        tmp_path, clock="2026-03-20", sources={"site": site}, destinations={}, activations=[]
    )

    def drop(name: str, first: dt.datetime, hours: int) -> None:
        lines = [
            json.dumps(
                {
                    "type": "track", "messageId": f"{name}{hour}", "userId": "u",
                    "event": "Product Viewed",
                    "timestamp": (first + dt.timedelta(hours=hour)).isoformat(),
                }
            )
            for hour in range(hours)
        ]  # fmt: skip
        (calls / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def count() -> int:
        warehouse = Warehouse(settings.warehouse_path)
        return int(warehouse.query("select count(distinct event_id) from core.events").item())

    drop("before", now - dt.timedelta(hours=10), 4)
    assert run_job(settings, "ingest").success
    assert count() == 4
    drop("while_down", now - dt.timedelta(hours=6), 6)
    tick(settings, "hourly_pull", now)
    assert count() == 10
    tick(settings, "hourly_pull", now + dt.timedelta(hours=1))
    assert count() == 10


def test_who_was_last_heard_of_years_ago_is_known_after_the_first_load(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    moments = ("2019-05-06T07:08:09Z", "2026-03-19T07:08:09Z")
    lines = [
        json.dumps({"type": kind, "messageId": f"{kind}{at}", "userId": at, "timestamp": at} | more)
        for at in moments
        for kind, more in (
            ("identify", {"traits": {"email": f"a{at[:4]}@example.org"}}),
            ("track", {"event": "Product Viewed"}),
        )
    ]
    (calls / "all.jsonl").write_text("\n".join(lines), encoding="utf-8")
    site = {"type": "segment_events", "folder": str(calls), "history_start": "2026-03-18"}
    settings = living_settings(
        tmp_path, clock="2026-03-20", sources={"site": site}, destinations={}, activations=[]
    )
    assert run_job(settings, "ingest").success
    warehouse = Warehouse(settings.warehouse_path)
    people = warehouse.query("select email from core.contacts where email is not null order by 1")
    assert people["email"].to_list() == ["a2019@example.org", "a2026@example.org"]
    assert warehouse.query("select count(distinct event_id) from core.events").item() == 1


def test_an_hourly_pull_names_what_can_be_built_and_nothing_else(tmp_path: Path) -> None:
    shop = {
        "type": "shopify", "shop": "a-shop", "access_token": "none", "every": "hour",
    }  # fmt: skip
    settings = living_settings(tmp_path, sources={"shop": shop}, destinations={}, activations=[])
    record_build(open_state(settings.state_url.get_secret_value()), "core.clock", 1)
    definitions = build_definitions(settings)
    asked = definitions.resolve_schedule_def("hourly_pull")
    moment = dt.datetime(2026, 3, 20, 14, 30, tzinfo=dt.UTC)
    with dg.build_schedule_context(scheduled_execution_time=moment) as context:
        (request,) = asked.evaluate_tick(context).run_requests or ()
    keys = set(request.asset_selection or ())
    assert keys >= {key("raw.shop_orders"), key("staging.shop_orders"), key("core.orders")}
    assert key("profiles.customers") not in keys
    whole = definitions.resolve_job_def("ingest").asset_layer.executable_asset_keys
    assert keys <= whole

"""Building the tiny shop through Dagster: what runs, what is kept, what stops."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import TagType, get_tag_type
from tiny_orders import key
from tiny_settings import ROOT

from marketing_platform.activation import plan_all
from marketing_platform.activation.claims import OTHERS, Holder, claim
from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.contract import Contract, integer
from marketing_platform.definitions import build_definitions, recent_runs, run_job
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import make_destination
from marketing_platform.pipeline import all_tables, build_table
from marketing_platform.quality.freshness import oldest_allowed
from marketing_platform.quality.holds import find_holds
from marketing_platform.quality.results import CheckResult, record_build, record_check
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state, plans, writing
from marketing_platform.warehouse import Built, Warehouse
from resources.dead_runs import FORMER_PROCESS_TAG, PROCESS_TAG, end_dead_runs, note_process
from sensors.activation import is_under_way
from sensors.schedules import range_tags

FROM_RFM_ON = ("profiles.rfm", "profiles.customers", "segments.memberships", "segments.sizes")


def holds_of(settings: Settings) -> list[str]:
    return find_holds(open_state(settings.state_url.get_secret_value()), settings)


def test_a_build_shows_rows_lineage_and_passed_checks(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    event = instance.get_latest_materialization_event(key("profiles.rfm"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 12
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert lineage["lifetime_value_amount"][0].asset_key == key("profiles.orders")
    assert holds_of(built) == []
    assert recent_runs(built)[0]["status"] == "SUCCESS"


def test_a_day_can_be_backfilled_and_changes_nothing_else(
    built: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    warehouse = Warehouse(built.warehouse_path)
    before = warehouse.read("core.orders").sort("order_id")
    day = before["order_date"][0]
    path = tmp_path / "orders.csv"
    path.write_text(path.read_text().replace(",1,", ",2,"), encoding="utf-8")
    job = build_definitions(built).resolve_job_def("ingest")
    tags = range_tags(day, day)
    assert job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success
    after = warehouse.read("core.orders").sort("order_id")
    changed = after.filter(after["quantity"] != before["quantity"])
    assert set(changed["order_date"]) == {day}
    assert after.height == before.height


def test_partitions_end_with_the_export_whose_clock_is_its_newest_record(built: Settings) -> None:
    spec = build_definitions(built).resolve_asset_graph().get(key("core.orders"))
    keys = spec.partitions_def.get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2024-03-01", "2024-03-20", 20)


def rebuild(settings: Settings, instance: dg.DagsterInstance, tables: Sequence[str]) -> bool:
    """Build these tables alone; whether that went well."""
    job = build_definitions(settings).resolve_job_def("build")
    keys = [key(table) for table in tables]
    return job.execute_in_process(
        instance=instance, asset_selection=keys, raise_on_error=False
    ).success


def stricter(name: str, column: str) -> Contract:
    """The contract of a table, with a column that no row can satisfy."""
    contract = CONTRACTS[name]
    impossible = integer("Never.", ge=10**9)
    return Contract(
        contract.name, {**contract.columns, column: impossible}, contract.key, contract.partition_by
    )


def test_a_broken_contract_keeps_the_table_stops_what_follows_and_holds_activation(
    built: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(built.warehouse_path)
    before = warehouse.read("profiles.rfm")
    monkeypatch.setitem(CONTRACTS, "profiles.rfm", stricter("profiles.rfm", "order_count"))
    outcome = run_job(built, "build")
    assert not outcome.success
    assert "order_count" in outcome.failures["profiles.rfm contract"]
    assert warehouse.read("profiles.rfm").equals(before)
    run = instance.get_run_records(limit=1)[0].dagster_run
    steps = {
        stats.step_key: stats.status.value for stats in instance.get_run_step_stats(run.run_id)
    }
    assert steps["profiles__rfm"] == "FAILURE"
    assert "segments__memberships" not in steps, "nothing is built on a table that failed"
    assert any("profiles.rfm" in hold for hold in holds_of(built))

    monkeypatch.undo()
    assert rebuild(built, instance, FROM_RFM_ON)
    assert holds_of(built) == [], "a hold ends by itself when the cause is gone"


def test_a_backfill_or_a_day_of_the_past_never_sends(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    job = build_definitions(built).resolve_job_def("activation")

    def run_with(tags: dict[str, str]) -> dg.ExecuteInProcessResult:
        return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)

    backfill = run_with({"dagster/backfill": "b"})
    # As Dagster repeats a run of a backfill that is over: without its tag.
    again = {"dagster/root_run_id": backfill.run_id, "dagster/parent_run_id": backfill.run_id}
    # As the UI starts all assets for one day, or for several in a single run.
    day = {"dagster/partition": "2024-03-05"}
    days = range_tags(dt.date(2024, 3, 5), dt.date(2024, 3, 7))
    for run in (backfill, run_with(again), run_with(day), run_with(days)):
        assert not run.success
    assert not list(built.feeds_dir.rglob("*.csv"))
    assert run_job(built, "activation").success
    assert list(built.feeds_dir.rglob("*.csv"))


def failing_build(error: Exception) -> Callable[..., Built]:
    """A build that begins and does not end."""

    def build(*_: object) -> Built:
        raise error

    return build


def test_an_error_in_a_build_keeps_the_table_and_holds_until_it_is_built_again(
    built: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(built.warehouse_path)
    before = warehouse.read("profiles.rfm")
    with monkeypatch.context() as broken:
        broken.setattr(
            "assets.tables.build_table",
            lambda engine, settings, name, part: (
                failing_build(OSError("no space left on device"))()
                if name == "profiles.rfm"
                else build_table(engine, settings, name, part)
            ),
        )
        outcome = run_job(built, "build")
    assert "no space left" in outcome.failures["profiles__rfm"]
    assert warehouse.read("profiles.rfm").equals(before)
    holds = holds_of(built)
    assert holds[0] == "profiles.rfm: check built failed: OSError: no space left on device"
    assert [hold.partition(":")[0] for hold in holds[1:]] == [
        "profiles.rfm", "profiles.customers", "segments.memberships", "1 table after them",
    ]  # fmt: skip
    assert run_job(built, "activation").success
    assert not list(built.feeds_dir.rglob("*.csv")), "nothing leaves from old and new tables"
    assert rebuild(built, instance, FROM_RFM_ON)
    assert holds_of(built) == []


def test_profiles_of_past_days_are_backfilled_in_one_run_and_hold_and_start_nothing(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    job = build_definitions(built).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[key("profiles.history")],
        tags=range_tags(dt.date(2024, 3, 5), dt.date(2024, 3, 7)),
    )
    assert result.success
    made = instance.get_materialized_partitions(key("profiles.history"))
    assert made == {"2024-03-05", "2024-03-06", "2024-03-07"}
    history = Warehouse(built.warehouse_path).read("profiles.history")
    sizes = dict(history.group_by("as_of_date").len().rows())
    assert set(sizes) == {dt.date(2024, 3, day) for day in (5, 6, 7)}
    assert sizes[dt.date(2024, 3, 5)] <= sizes[dt.date(2024, 3, 7)]
    assert holds_of(built) == []


def test_a_build_that_was_killed_half_way_holds_although_nobody_could_write_down_why(
    built: Settings,
) -> None:
    state = open_state(built.state_url.get_secret_value())
    for name in ("identity.identifiers", "identity.contact_customers", "identity.customers"):
        record_build(state, name, 12)
    holds = holds_of(built)
    assert "profiles.orders: not built again since identity.contact_customers changed" in holds
    assert "tables after them: not built again either" in holds[-1], "three tell where it ended"
    for name in all_tables(built):
        record_build(state, name, 12)
    assert holds_of(built) == [], "once all that follows was built again"


def test_after_a_build_that_was_killed_the_next_one_goes_on_at_once(
    built: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killed_build.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "core.clock":
                break
        process.kill()
    (killed,) = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    assert "not built again since" in holds_of(built)[0], "half of it is new"
    assert run_job(built, "build").success
    ended = instance.get_run_by_id(killed.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE
    assert holds_of(built) == []


def test_a_build_that_a_person_ends_is_no_error_of_a_table(built: Settings, tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killed_build.py")), str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.strip() == "core.clock":
                break
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == -signal.SIGINT
    assert told.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert recent_runs(built)[0]["status"] == "FAILURE"
    assert not [hold for hold in holds_of(built) if "failed" in hold]


def test_an_activation_that_was_killed_before_its_first_step_does_not_stop_the_next(
    built: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killed_start.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "created\n"
        assert is_under_way(instance)
        process.kill()
    assert len(end_dead_runs(instance)) == 1
    assert not is_under_way(instance)


def test_a_run_whose_process_lives_is_left_alone(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    @dg.job
    def build() -> None: ...

    lives = instance.create_run_for_job(build, status=dg.DagsterRunStatus.STARTED)
    note_process(instance, lives.run_id)
    # The list of runs in the UI shows people no process ids.
    (tag,) = instance.get_run_by_id(lives.run_id).tags.keys() & {PROCESS_TAG}  # type: ignore[union-attr]
    assert get_tag_type(tag) is TagType.HIDDEN
    instance.create_run_for_job(build, status=dg.DagsterRunStatus.STARTED)
    assert end_dead_runs(instance) == []


@pytest.mark.parametrize("tag", [PROCESS_TAG, FORMER_PROCESS_TAG])
def test_a_run_that_was_lost_when_the_machine_was_started_again_is_ended(
    built: Settings, instance: dg.DagsterInstance, tag: str
) -> None:
    @dg.job
    def activation() -> None: ...

    lost, elsewhere = (
        instance.create_run_for_job(activation, status=dg.DagsterRunStatus.STARTED) for _ in "12"
    )
    for run, host in ((lost, socket.gethostname()), (elsewhere, "another-machine")):
        process = f"{host}/start-of-before/pid:[4026531836]|{os.getpid()}|1|x"
        instance.add_run_tags(run.run_id, {tag: f"{run.run_id}@{process}"})
    assert end_dead_runs(instance) == [lost.run_id]
    assert not instance.get_run_by_id(elsewhere.run_id).is_finished  # type: ignore[union-attr]


def test_a_run_whose_container_was_made_anew_is_ended_and_one_that_lives_is_not(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    @dg.job
    def build() -> None: ...

    program = (
        "import sys, dagster as dg; from resources.dead_runs import note_process\n"
        "with dg.DagsterInstance.from_config(sys.argv[1]) as instance:\n"
        "    note_process(instance, sys.argv[2])\n"
        "    print('noted', flush=True)\n"
        "    sys.stdin.read()"
    )
    run = instance.create_run_for_job(build, status=dg.DagsterRunStatus.STARTED)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(built.dagster_home), run.run_id],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stdout.readline() == "noted\n"
        # A process number of another container says nothing here.
        noted = instance.get_run_by_id(run.run_id).tags[PROCESS_TAG]  # type: ignore[union-attr]
        elsewhere = noted.replace(f"@{socket.gethostname()}", "@before").replace("pid:[", "pid:[9")
        assert "@before" in elsewhere and "pid:[9" in elsewhere
        instance.add_run_tags(run.run_id, {PROCESS_TAG: elsewhere})
        assert end_dead_runs(instance) == []
        process.kill()
    assert end_dead_runs(instance) == [run.run_id]
    assert not list((built.dagster_home / "running").iterdir())


def test_a_run_that_takes_up_a_dead_one_is_not_taken_for_it(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    @dg.job
    def build() -> None: ...

    dead = instance.create_run_for_job(build, status=dg.DagsterRunStatus.STARTED)
    program = (
        "import sys, dagster as dg; from resources.dead_runs import note_process\n"
        "with dg.DagsterInstance.from_config(sys.argv[1]) as instance:\n"
        "    note_process(instance, sys.argv[2])"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(built.dagster_home), dead.run_id], check=True, cwd=ROOT
    )
    tags = instance.get_run_by_id(dead.run_id).tags  # type: ignore[union-attr]
    again = instance.create_run_for_job(build, tags=tags, status=dg.DagsterRunStatus.STARTING)
    assert end_dead_runs(instance) == [dead.run_id]
    assert not instance.get_run_by_id(again.run_id).is_finished  # type: ignore[union-attr]


def test_an_export_that_is_gone_holds_and_says_so(built: Settings, tmp_path: Path) -> None:
    export = tmp_path / "orders.csv"
    export.rename(tmp_path / "away.csv")
    assert not run_job(built, "ingest").success
    assert any(hold.startswith("raw.files_orders: check built failed") for hold in holds_of(built))
    (tmp_path / "away.csv").rename(export)
    assert run_job(built, "ingest").success
    assert not any(hold.startswith("raw.") for hold in holds_of(built))


def check_of(instance: dg.DagsterInstance, table: str, name: str) -> dg.AssetCheckEvaluation:
    """The latest evaluation of a check."""
    check = dg.AssetCheckKey(key(table), name)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    evaluation = record.event.dagster_event.event_specific_data
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    return evaluation


def with_receiver(settings: Settings, url: str) -> Settings:
    """The same shop that also sends to a webhook."""
    content = settings.platform.model_dump()
    content["destinations"]["crm"] = {"type": "webhook", "url": url, "retry_seconds": 0}
    content["activations"] += ({"segment": "new_customers", "destination": "crm"},)
    return settings.model_copy(update={"platform": Platform.model_validate(content)})


def leave_in_flight(settings: Settings) -> None:
    """Plan, and claim what is for the webhook as a run that dies right after it."""
    engine = open_state(settings.state_url.get_secret_value())
    plan_all(Warehouse(settings.warehouse_path), engine, settings)
    now = dt.datetime.now(dt.UTC)
    dead = Holder("elsewhere|1|1|x", now, now)
    assert claim(engine, make_destination("crm", settings), OTHERS, dead) is not None


def test_with_a_reason_to_hold_nothing_leaves_not_even_what_a_dead_run_left(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    state = open_state(built.state_url.get_secret_value())
    with Receiver() as receiver:
        shop = with_receiver(built, receiver.url)
        leave_in_flight(shop)
        broken = CheckResult("core.orders", "contract", False, "2 rows without a key")
        record_check(state, broken)
        assert run_job(shop, "activation").success
        assert not receiver.received.rows
        assert not list(built.feeds_dir.rglob("*.csv"))
        held = check_of(instance, "activation.plans", "not_held")
        assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert "2 rows without a key" in str(held.metadata["found"].value)
        record_check(state, dataclasses.replace(broken, passed=True))
        assert run_job(shop, "activation").success
        assert len(receiver.received.rows) == 12
        assert all(times == 1 for times in receiver.received.seen.values())
    assert check_of(instance, "activation.plans", "not_held").passed
    assert check_of(instance, "activation.plans", "leftovers_delivered").passed
    assert check_of(instance, "activation.messages", "delivered").passed


def test_a_destination_that_was_given_up_is_seen_in_the_ui_and_stops_no_other(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    shop = with_receiver(built, "http://no-such-host.invalid/hook")
    assert run_job(shop, "activation").success
    check = check_of(instance, "activation.messages", "delivered")
    assert (check.passed, check.blocking) == (False, False)
    assert "crm: 0 sent, 0 failed, 12 deferred; stopped:" in str(check.metadata["found"].value)
    assert check_of(instance, "activation.messages", "sums_add_up").passed
    assert list(built.feeds_dir.rglob("*.csv"))


def test_a_ledger_that_does_not_add_up_fails_the_run_and_holds_until_it_does(
    built: Settings,
) -> None:
    assert run_job(built, "activation").success
    state = open_state(built.state_url.get_secret_value())

    with writing(state) as connection:
        connection.execute(plans.update().values(eligible_count=13))
    assert not run_job(built, "activation").success
    assert holds_of(built) == [
        "activation.messages: the sums of plan 1 (new_customers to feeds) do not add up"
    ]
    with writing(state) as connection:
        connection.execute(plans.update().where(plans.c.plan_id == 1).values(eligible_count=12))
    assert holds_of(built) == [], "the sums are counted anew, as nothing runs while they hold"
    assert run_job(built, "activation").success


def test_a_stale_shop_holds_until_it_is_fresh(built: Settings) -> None:
    lives = built.model_copy(
        update={"platform": built.platform.model_copy(update={"clock": "now"})}
    )
    state = open_state(built.state_url.get_secret_value())
    newest = dt.datetime(2024, 3, 20, 10, tzinfo=dt.UTC)
    allowed = dt.timedelta(hours=oldest_allowed(state)["orders"])
    assert find_holds(state, lives, now=newest + allowed - dt.timedelta(hours=1)) == []
    holds = find_holds(state, lives, now=newest + allowed + dt.timedelta(hours=1))
    assert [hold.partition(":")[0] for hold in holds] == ["core.orders", "files"]
    assert find_holds(state, built, now=newest + dt.timedelta(days=900)) == []

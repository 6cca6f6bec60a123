"""What the automation condition asks for, by a clock of the test's own."""

from __future__ import annotations

import dagster as dg

from assets.automation import after_inputs, after_its_tables

DAYS = dg.DailyPartitionsDefinition("2024-03-01", end_date="2024-03-05")


@dg.asset(partitions_def=DAYS)
def orders() -> None: ...


@dg.asset
def clock() -> None: ...


@dg.asset(deps=[orders, clock], automation_condition=after_inputs())
def profiles() -> None: ...


@dg.asset(deps=[profiles], automation_condition=after_inputs())
def segments() -> None: ...


class Checked:
    """The same assets with a blocking check that passes or fails as told."""

    passes = True


@dg.asset_check(asset=clock, blocking=True)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=Checked.passes)


@dg.asset_check(asset=profiles, blocking=True, automation_condition=after_its_tables())
def whole() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


DEFS = dg.Definitions(assets=[orders, clock, profiles, segments], asset_checks=[sound, whole])


def asked_for(result: dg.EvaluateAutomationConditionsResult, asset: dg.AssetsDefinition) -> bool:
    return result.get_num_requested(asset.key) > 0


def materialize(instance: dg.DagsterInstance, *assets: object, day: str | None = None) -> None:
    dg.materialize(list(assets), instance=instance, partition_key=day, raise_on_error=False)


def test_one_loaded_day_is_enough_and_the_whole_chain_follows_in_one_tick() -> None:
    instance = dg.DagsterInstance.ephemeral()
    Checked.passes = True
    materialize(instance, clock, sound)
    first = dg.evaluate_automation_conditions(defs=DEFS, instance=instance)
    assert not asked_for(first, profiles)
    materialize(instance, orders, day="2024-03-02")
    second = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=first.cursor)
    assert asked_for(second, profiles)
    assert asked_for(second, segments)
    third = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=second.cursor)
    assert third.total_requested == 0, "what was asked for is not asked for again"


def test_a_failed_blocking_check_of_an_input_holds_until_it_passes() -> None:
    instance = dg.DagsterInstance.ephemeral()
    cursor = dg.evaluate_automation_conditions(defs=DEFS, instance=instance).cursor
    Checked.passes = False
    materialize(instance, clock, sound)
    held = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=cursor)
    assert held.total_requested == 0
    Checked.passes = True
    materialize(instance, clock, sound)
    free = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=held.cursor)
    assert asked_for(free, profiles)


def test_day_after_day_a_table_and_its_check_and_all_after_it_are_asked_for() -> None:
    instance = dg.DagsterInstance.ephemeral()
    Checked.passes = True
    cursor = dg.evaluate_automation_conditions(defs=DEFS, instance=instance).cursor
    for day in range(4):
        materialize(instance, clock, sound)
        tick = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=cursor)
        asked = {result.key for result in tick.results if result.true_subset.size}
        wanted = {profiles.key, segments.key, *whole.check_keys}
        assert asked == wanted, f"on day {day}"
        materialize(instance, profiles, whole, segments)
        after = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=tick.cursor)
        assert after.total_requested == 0
        cursor = after.cursor


def test_what_came_while_a_table_was_built_is_built_too_and_only_once() -> None:
    instance = dg.DagsterInstance.ephemeral()
    Checked.passes = True
    cursor = dg.evaluate_automation_conditions(defs=DEFS, instance=instance).cursor
    materialize(instance, clock, sound)
    tick = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=cursor)
    assert asked_for(tick, profiles)
    materialize(instance, profiles, whole, segments)
    # Another run builds an input before the next tick looks.
    materialize(instance, clock, sound)
    again = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=tick.cursor)
    asked = {result.key for result in again.results if result.true_subset.size}
    assert asked == {profiles.key, segments.key, *whole.check_keys}
    materialize(instance, profiles, whole, segments)
    after = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=again.cursor)
    assert after.total_requested == 0


def test_a_table_that_was_built_again_without_its_check_is_checked_and_holds_nobody_for_ever() -> (
    None
):
    instance = dg.DagsterInstance.ephemeral()
    Checked.passes = True
    cursor = dg.evaluate_automation_conditions(defs=DEFS, instance=instance).cursor
    materialize(instance, clock, sound)
    tick = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=cursor)
    assert asked_for(tick, profiles)
    materialize(instance, profiles, whole, segments)
    # Before the next tick looks, another run builds the table, whose check was under way elsewhere.
    materialize(instance, profiles)
    again = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=tick.cursor)
    asked = {result.key for result in again.results if result.true_subset.size}
    assert asked == set(whole.check_keys)
    dg.materialize([profiles, whole], selection=dg.AssetSelection.checks(whole), instance=instance)
    freed = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=again.cursor)
    asked = {result.key for result in freed.results if result.true_subset.size}
    assert asked == {segments.key}
    materialize(instance, segments)
    after = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=freed.cursor)
    assert after.total_requested == 0

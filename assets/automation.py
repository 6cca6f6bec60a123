"""When tables are built by themselves, and how fresh they are expected to be."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

# Built once a day; two hours of grace before it warns, and a day before it fails.
DAILY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
)


def after_inputs() -> dg.AutomationCondition[dg.AssetKey]:
    """Build when an input was built, all are done, and all blocking checks of the inputs passed.

    Unlike `eager`, days that were never loaded do not stop it: an export does not start where the
    calendar of partitions does.
    """
    return (
        _has_news()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
        & _inputs_are_sound()
    ).with_label("after_inputs")


def _has_news() -> dg.AutomationCondition[dg.AssetKey]:
    """An input was built since this was asked for or built, or was built just after it.

    The second is for what happens between two ticks: this is built, and then an input, by another
    run. Dagster's `since_last_handled` takes that for handled, and the table would stay as it is
    until its inputs are built again. That the input came later is told by the times that `since`
    compares where both of its sides happened. Whatever follows is asked for in the same tick.
    """
    news = dg.AutomationCondition.any_deps_updated().since_last_handled()
    built = dg.AutomationCondition.newly_updated()
    overtaken = dg.AutomationCondition.any_deps_match(built).since(built) & built
    asked = dg.AutomationCondition.newly_requested() & ~overtaken
    follows = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
    return (news | overtaken.since(asked) | follows).with_label("has_news")


def _inputs_are_sound() -> dg.AutomationCondition[dg.AssetKey]:
    """Each input passed its blocking checks, or is built in the same run, where they stop it.

    Dagster's own condition asks for the checks of such an input as well, which are decided on after
    the tables that read it: a chain would take a tick for each check in it.
    """
    passed = dg.AutomationCondition.all_checks_match(
        dg.AutomationCondition.check_passed(), blocking_only=True
    )
    return dg.AutomationCondition.all_deps_match(
        passed | dg.AutomationCondition.will_be_requested()
    ).with_label("inputs_are_sound")


def after_its_tables() -> dg.AutomationCondition[dg.AssetCheckKey]:
    """Check whenever a table that the check looks at is built, in the same run.

    Whatever is built on a table waits for its blocking checks of the latest build; a check that
    follows no build would be of an older one, and hold all of it for ever. So a build is followed
    as well where the check ran between two ticks, but before it: `since_last_handled` takes that
    for handled, and of checks no times are compared.
    """
    news = dg.AutomationCondition.any_deps_updated().since_last_handled()
    unseen = dg.AutomationCondition.any_deps_updated() & dg.AutomationCondition.missing()
    asked = dg.AutomationCondition.newly_requested() & ~unseen
    overtaken = unseen.since(asked) & dg.AutomationCondition.missing()
    follows = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
    return (
        (news | overtaken | follows)
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("after_its_tables")

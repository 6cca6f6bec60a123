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
        dg.AutomationCondition.any_deps_updated().since_last_handled()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label("after_inputs")

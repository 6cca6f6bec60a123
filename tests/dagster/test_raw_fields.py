"""A field that is gone from the records is told beside the raw asset, and holds nothing."""

from __future__ import annotations

import dagster as dg
from tiny_orders import FIRST_DAY, key, order_lines
from tiny_settings import export_of

from marketing_platform.definitions import build_definitions
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import Settings
from marketing_platform.state import open_state, utc_now
from sensors.schedules import range_tags

KEY = "check:raw.files_orders:fields_are_there"


def without_email(lines: str) -> str:
    """The same export without its third column."""
    rows = [line.split(",") for line in lines.splitlines()]
    return "\n".join(",".join(row[:2] + row[3:]) for row in rows) + "\n"


def test_a_column_that_is_gone_is_a_warning_until_it_is_back(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    state = open_state(built.state_url.get_secret_value())
    raw = build_definitions(built).resolve_implicit_global_asset_job_def()

    def load(lines: str) -> None:
        export_of(built).write_text(lines, encoding="utf-8")
        result = raw.execute_in_process(
            instance=instance,
            asset_selection=[key("raw.files_orders")],
            tags=range_tags(FIRST_DAY, FIRST_DAY),
        )
        assert result.success

    def incidents() -> dict[str, str]:
        return {one.key: one.severity for one in find_all(state, built, now=utc_now())}

    holds = find_holds(state, built)
    load(without_email(order_lines()))
    assert incidents()[KEY] == "warning"
    assert find_holds(state, built) == holds
    load(order_lines())
    assert KEY not in incidents()

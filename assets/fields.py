"""Whether the records of a raw asset still have the fields that they had: a check beside each."""

from collections.abc import Mapping

import dagster as dg
import sqlalchemy as sa

from assets.names import asset_key
from marketing_platform.quality.results import CheckResult, record_check

FIELDS_CHECK = "fields_are_there"


def fields_spec(name: str) -> dg.AssetCheckSpec:
    """The check of a raw asset."""
    return dg.AssetCheckSpec(
        FIELDS_CHECK,
        asset=asset_key(name),
        description="No field that nearly all records had is gone. Told for two weeks, or until it"
        " is back; the run goes on.",
    )


def checked_fields(state: sa.Engine, name: str, missing: Mapping[str, str]) -> dg.AssetCheckResult:
    """The result, remembered: `missing` has the fields that are gone and since when."""
    told = ", ".join(f"{field} since {since}" for field, since in sorted(missing.items()))
    detail = f"gone: {told}" if told else "every field that is usual is there"
    record_check(state, CheckResult(name, FIELDS_CHECK, not missing, detail, is_blocking=False))
    return dg.AssetCheckResult(
        passed=not missing,
        asset_key=asset_key(name),
        check_name=FIELDS_CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"found": detail},
    )

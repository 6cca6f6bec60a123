"""Checks that run after a table is built: reconciliation, and models that did not pass."""

import dagster as dg

from assets.names import WAREHOUSE_POOL, asset_key
from marketing_platform.quality.checks import (
    features_know_no_future,
    judged_tables,
    model_is_promoted,
    model_is_sound,
    rates_known,
    records_add_up,
)
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from resources.warehouse import WarehouseResource


def table_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """All checks that run after a build."""
    judged = judged_tables(settings)
    return [
        *(_adds_up(name, raw_view) for name, raw_view in judged.items()),
        _rates_known(),
        _knows_no_future(),
        *map(_promoted, ("purchase", "churn")),
        *map(_sound, ("purchase", "churn")),
    ]


def _rates_known() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("core.orders"),
        additional_deps=[asset_key("core.exchange_rates")],
        blocking=True,
        description="Every order can be converted to the shop's own currency at its day's rate.",
        pool=WAREHOUSE_POOL,
    )
    def rates_are_known(
        warehouse: WarehouseResource, platform: dg.ResourceParam[Settings]
    ) -> dg.AssetCheckResult:
        return _recorded(platform, rates_known(warehouse.engine))

    return rates_are_known


def _knows_no_future() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("predictions.features"),
        additional_deps=[asset_key("profiles.orders"), asset_key("profiles.daily_activity")],
        name="features_know_no_future",
        blocking=True,
        description="The features of a past day are the same without what came after it.",
        pool=WAREHOUSE_POOL,
    )
    def _check(
        warehouse: WarehouseResource, platform: dg.ResourceParam[Settings]
    ) -> dg.AssetCheckResult:
        return _recorded(platform, features_know_no_future(warehouse.engine))

    return _check


def _adds_up(name: str, raw_view: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(name),
        name="records_add_up",
        blocking=True,
        description="Accepted, duplicate and quarantined records add up to those that arrived.",
        pool=WAREHOUSE_POOL,
    )
    def _check(
        warehouse: WarehouseResource, platform: dg.ResourceParam[Settings]
    ) -> dg.AssetCheckResult:
        return _recorded(platform, records_add_up(warehouse.engine, name, raw_view))

    return _check


def _promoted(task: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("predictions.models"),
        name=f"{task}_model_is_promoted",
        description="The model beat the baselines on days it had not seen. If it did not, the"
        " segments that use it hold; everything else goes on.",
        pool=WAREHOUSE_POOL,
    )
    def _check(
        warehouse: WarehouseResource, platform: dg.ResourceParam[Settings]
    ) -> dg.AssetCheckResult:
        return _recorded(platform, model_is_promoted(warehouse.engine, task))

    return _check


def _sound(task: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("predictions.watch"),
        name=f"{task}_model_is_sound",
        additional_deps=[asset_key("core.clock")],
        description="Scores are of the population that the model knows, and those of a horizon ago"
        " came true. If not, the segments that use it hold; everything else goes on.",
        pool=WAREHOUSE_POOL,
    )
    def _check(
        warehouse: WarehouseResource, platform: dg.ResourceParam[Settings]
    ) -> dg.AssetCheckResult:
        return _recorded(platform, model_is_sound(warehouse.engine, task))

    return _check


def _recorded(settings: Settings, result: CheckResult) -> dg.AssetCheckResult:
    record_check(open_state(settings.state_url.get_secret_value()), result)
    severity = dg.AssetCheckSeverity.ERROR if result.is_blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=result.passed, severity=severity, metadata={"found": result.detail}
    )

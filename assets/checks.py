"""Checks that run after a table is built: sums, rates, features, and models."""

from collections.abc import Callable, Sequence
from functools import partial

import dagster as dg

from assets.names import WAREHOUSE_POOL, asset_key
from marketing_platform.quality.checks import (
    features_know_no_future,
    judged_tables,
    model_is_promoted,
    model_is_sound,
    nothing_is_odd,
    rates_known,
    records_add_up,
    reports_agree,
    segments_make_sense,
)
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse
from resources.warehouse import WarehouseResource


def table_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """All checks that run after a build."""
    adds_up = [
        _check(
            name,
            "records_add_up",
            "Accepted, duplicate and quarantined records add up to those that arrived.",
            partial(records_add_up, table_name=name, raw_view=raw_view),
        )
        for name, raw_view in judged_tables(settings).items()
    ]
    models = [
        check
        for task in ("purchase", "churn")
        for check in (
            _check(
                "predictions.models",
                f"{task}_model_is_promoted",
                "The model beat the baselines on days it had not seen. If it did not, the segments"
                " that use it hold; everything else goes on.",
                partial(model_is_promoted, task=task),
                is_blocking=False,
            ),
            _check(
                "predictions.watch",
                f"{task}_model_is_sound",
                "Scores are of the population that the model knows, and those of a horizon ago came"
                " true. If not, the segments that use it hold; everything else goes on.",
                partial(model_is_sound, task=task),
                reads=("core.clock",),
                is_blocking=False,
            ),
        )
    ]
    return [
        *adds_up,
        _check(
            "core.orders",
            "rates_are_known",
            "Every order can be converted to the shop's own currency at its day's rate.",
            rates_known,
            reads=("core.exchange_rates",),
        ),
        _check(
            "predictions.features",
            "features_know_no_future",
            "The features of a past day are the same without what came after it.",
            features_know_no_future,
            reads=("profiles.orders", "profiles.daily_activity"),
        ),
        *models,
        _check(
            "quality.anomalies",
            "nothing_is_odd",
            "Every series of the business is as the days before made it expected: orders, revenue,"
            " visits, ads, messages.",
            nothing_is_odd,
            is_blocking=False,
        ),
        _check(
            "activation.reconciliation",
            "ledger_and_reports_agree",
            "Of each message that the ledger says was sent, the destination has told something a"
            " day later.",
            reports_agree,
            reads=("activation.outcomes",),
            is_blocking=False,
        ),
        _check(
            "segments.sizes",
            "segments_make_sense",
            "No active segment is empty, doubled or halved, was to be reviewed, or says the same as"
            " another; and not more of them are active than a person keeps an eye on.",
            partial(
                segments_make_sense,
                active=frozenset(rule.segment for rule in settings.platform.activations),
            ),
            is_blocking=False,
        ),
    ]


def _check(
    table: str,
    name: str,
    description: str,
    look: Callable[[Warehouse], CheckResult],
    *,
    reads: Sequence[str] = (),
    is_blocking: bool = True,
) -> dg.AssetChecksDefinition:
    """The check `name` of a table, which looks at the tables that it `reads` as well."""

    @dg.asset_check(
        asset=asset_key(table),
        additional_deps=[asset_key(read) for read in reads],
        name=name,
        blocking=is_blocking,
        description=description,
        pool=WAREHOUSE_POOL,
    )
    def _look(
        warehouse: WarehouseResource, platform: dg.ResourceParam[Settings]
    ) -> dg.AssetCheckResult:
        return _recorded(platform, look(warehouse.engine))

    return _look


def _recorded(settings: Settings, result: CheckResult) -> dg.AssetCheckResult:
    record_check(open_state(settings.state_url.get_secret_value()), result)
    severity = dg.AssetCheckSeverity.ERROR if result.is_blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=result.passed, severity=severity, metadata={"found": result.detail}
    )

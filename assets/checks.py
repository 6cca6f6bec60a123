"""What is looked at once a table is built: in its own step, or after the tables it is held against.

A check of a table alone runs in the step that builds the table: a step costs more than most checks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import dagster as dg
import sqlalchemy as sa

from assets.automation import after_its_tables
from assets.names import WAREHOUSE_POOL, asset_key
from marketing_platform.quality.checks import (
    features_know_no_future,
    judged_tables,
    model_is_promoted,
    model_is_sound,
    no_hour_is_odd,
    nothing_is_odd,
    rates_known,
    records_add_up,
    reports_agree,
    segments_make_sense,
)
from marketing_platform.quality.drift import (
    FEW_ARE_QUARANTINED,
    HAS_NOT_DRIFTED,
    IS_PLAUSIBLE,
    WATCHED,
    check_ignored,
    drift_checks,
    few_are_quarantined,
)
from marketing_platform.quality.references import (
    REFERENCES,
    REFERENCES_RESOLVE,
    read_by,
    references_resolve,
)
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse
from resources.warehouse import WarehouseResource


@dataclass(frozen=True)
class OwnCheck:
    """A check in the step of its table: what it is called, and how it looks at the warehouse."""

    name: str
    description: str
    look: Callable[[Warehouse], CheckResult]
    is_blocking: bool = True

    def spec(self, table: str) -> dg.AssetCheckSpec:
        """The check as Dagster knows it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=asset_key(table),
            description=self.description,
            blocking=self.is_blocking,
        )


def own_checks(settings: Settings) -> Mapping[str, Sequence[OwnCheck]]:
    """The checks of each table that look at nothing that is built after it."""
    own: dict[str, list[OwnCheck]] = defaultdict(list)
    for name, raw_view in judged_tables(settings).items():
        own[name] = [
            OwnCheck(
                "records_add_up",
                "Accepted, duplicate and quarantined records add up to those that arrived.",
                partial(records_add_up, table_name=name, raw_view=raw_view),
            ),
            OwnCheck(
                FEW_ARE_QUARANTINED,
                "The newest day has not far more quarantined records than those before it.",
                partial(few_are_quarantined, settings=settings, table=name),
            ),
        ]
    for task in ("purchase", "churn"):
        own["predictions.models"].append(
            OwnCheck(
                f"{task}_model_is_promoted",
                "The model beat the baselines on days it had not seen. If it did not, the segments"
                " that use it hold; everything else goes on.",
                partial(model_is_promoted, task=task),
                is_blocking=False,
            )
        )
        own["predictions.watch"].append(
            OwnCheck(
                f"{task}_model_is_sound",
                "Scores are of the population that the model knows, and those of a horizon ago came"
                " true. If not, the segments that use it hold; everything else goes on.",
                partial(model_is_sound, task=task),
                is_blocking=False,
            )
        )
    own["core.orders"] = [
        OwnCheck(
            "rates_are_known",
            "Every order can be converted to the shop's own currency at its day's rate.",
            rates_known,
        )
    ]
    own["predictions.features"] = [
        OwnCheck(
            "features_know_no_future",
            "The features of a past day are the same without what came after it.",
            features_know_no_future,
        )
    ]
    own["quality.anomalies"] = [
        OwnCheck(
            "nothing_is_odd",
            "Every series of the business is as the days before made it expected: orders, revenue,"
            " visits, ads, messages.",
            nothing_is_odd,
            is_blocking=False,
        )
    ]
    own["quality.judged_hours"] = [
        OwnCheck(
            "no_hour_is_odd",
            "The newest hours of orders, order value, sign-ups and events are as the same hours of"
            " the days before made them expected.",
            no_hour_is_odd,
            is_blocking=False,
        )
    ]
    own["activation.reconciliation"] = [
        OwnCheck(
            "ledger_and_reports_agree",
            "Of each message that the ledger says was sent, the destination has told something a"
            " day later.",
            reports_agree,
            is_blocking=False,
        )
    ]
    own["segments.sizes"] = [
        OwnCheck(
            "segments_make_sense",
            "No active segment is empty, doubled or halved, was to be reviewed, or says the same as"
            " another; and not more of them are active than a person keeps an eye on.",
            partial(
                segments_make_sense,
                active=frozenset(rule.segment for rule in settings.platform.activations),
            ),
            is_blocking=False,
        )
    ]
    return own


def later_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks that hold tables against others, each kind in a step for all tables."""
    return [_drift_check(settings), _references_check(settings)]


def recorded(state: sa.Engine, result: CheckResult) -> dg.AssetCheckResult:
    """What Dagster is told of a result, which is remembered in the state database."""
    record_check(state, result)
    severity = dg.AssetCheckSeverity.ERROR if result.is_blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=result.passed,
        asset_key=asset_key(result.table_name),
        check_name=result.check_name,
        severity=severity,
        metadata={"found": result.detail},
    )


def _drift_check(settings: Settings) -> dg.AssetChecksDefinition:
    """Whether the newest records are like those before them, of all tables in one step."""
    check_ignored(settings)

    def look(warehouse: Warehouse, tables: Iterable[str]) -> Iterator[CheckResult]:
        state = open_state(settings.state_url.get_secret_value())
        for table in tables:
            yield from drift_checks(warehouse, state, settings, table)

    specs = [
        spec
        for table in WATCHED
        for spec in (
            _spec(
                table,
                IS_PLAUSIBLE,
                "No column that people are chosen by is suddenly empty or of another size, and no"
                " half of the records is missing. If so, nothing is built on it.",
                reads=("core.clock",),
            ),
            _spec(
                table,
                HAS_NOT_DRIFTED,
                "Nulls, sizes, mixes and numbers of the newest records are within what was seen"
                " before.",
                reads=("core.clock",),
                is_blocking=False,
            ),
        )
    ]
    return _checks("drift", specs, look)


def _references_check(settings: Settings) -> dg.AssetChecksDefinition:
    """Whether what records refer to is there, of all tables in one step."""

    def look(warehouse: Warehouse, tables: Iterable[str]) -> Iterator[CheckResult]:
        for table in tables:
            yield references_resolve(warehouse, settings, table)

    specs = [
        _spec(
            table,
            REFERENCES_RESOLVE,
            "Nearly all products, contacts and subscriptions that the records name are there.",
            reads=read_by(table),
            is_blocking=False,
        )
        for table in REFERENCES
    ]
    return _checks("references", specs, look)


def _spec(
    table: str,
    name: str,
    description: str,
    *,
    reads: Sequence[str] = (),
    is_blocking: bool = True,
) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name,
        asset=asset_key(table),
        additional_deps=[asset_key(read) for read in reads],
        description=description,
        blocking=is_blocking,
        automation_condition=after_its_tables(),
    )


def _checks(
    name: str,
    specs: Sequence[dg.AssetCheckSpec],
    look: Callable[[Warehouse, Iterable[str]], Iterator[CheckResult]],
) -> dg.AssetChecksDefinition:
    """Several checks in one step, which looks at those tables whose checks were asked for."""

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True, pool=WAREHOUSE_POOL)
    def _look(
        context: dg.AssetCheckExecutionContext,
        warehouse: WarehouseResource,
        platform: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        state = open_state(platform.state_url.get_secret_value())
        asked = context.selected_asset_check_keys
        tables = sorted({".".join(key.asset_key.path) for key in asked})
        with warehouse.get_connection():
            results = list(look(warehouse.engine, tables))
        for result in results:
            key = dg.AssetCheckKey(asset_key(result.table_name), result.check_name)
            found = recorded(state, result)
            if key in asked:
                yield found

    return _look

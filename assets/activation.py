"""The assets that send: plans and messages. They live in the state database, not the warehouse.

They have no partitions and refuse to run in a backfill, or with any day: the past can be computed
again, but nobody is written to again because of it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping

import dagster as dg
import sqlalchemy as sa

from assets.names import OWNER, WAREHOUSE_POOL, asset_key
from assets.plots import plot_of_ledger
from marketing_platform.activation import (
    DispatchReport,
    Plan,
    conservation,
    count_again,
    daily_sums,
    dispatch,
    plan_all,
    sums_of,
    write_feeds,
)
from marketing_platform.quality.holds import MESSAGES as MESSAGES_TABLE
from marketing_platform.quality.holds import SUMS_ADD_UP, find_holds
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import Settings
from marketing_platform.state import open_state, utc_now
from resources.warehouse import WarehouseResource

PLANS = asset_key("activation.plans")
MESSAGES = asset_key("activation.messages")
FEEDS = asset_key("activation.product_feeds")
_PLOTTED = dt.timedelta(days=60)
# The sums of plans that have ended.
_COUNTED_EVERY = dt.timedelta(days=1)
_ROOT_TAG = "dagster/root_run_id"
# How the tags of a run begin that is of a backfill, of a day, or of several in one.
_OF_THE_PAST = ("dagster/backfill", "dagster/partition", "dagster/asset_partition_range")


def health_spec() -> dg.AssetSpec:
    """The health page; the sensor `incidents` writes it."""
    return dg.AssetSpec(
        asset_key("quality.health"),
        group_name="quality",
        description="The health page: each layer's freshness, checks and cost, open incidents and"
        " what they hold. Written by the sensor `incidents` whenever something changes; see `page`"
        " in the latest materialization.",
        kinds={"markdown"},
        owners=[OWNER],
        deps=[MESSAGES],
    )


def activation_assets() -> list[dg.AssetsDefinition]:
    """Plans, the messages that come of them, and product feeds."""
    return [plans, messages, feeds]


@dg.asset(
    key=PLANS,
    deps=[
        asset_key("segments.memberships"),
        asset_key("segments.sizes"),
        asset_key("quality.anomalies"),
        # What rules tell besides the profile.
        asset_key("profiles.cart_items"),
        asset_key("profiles.viewed_products"),
        asset_key("core.order_items"),
    ],
    group_name="activation",
    description="One row is a decision about one audience at one destination: who is added, updated"
    " and removed, or why the plan is held.",
    kinds={"duckdb", "sqlite"},
    owners=[OWNER],
    check_specs=[
        dg.AssetCheckSpec(
            "not_held", asset=PLANS, description="No plan is held by a limit, a check or age."
        ),
        dg.AssetCheckSpec(
            "leftovers_delivered",
            asset=PLANS,
            description="What a run that died left in flight was brought to its end: no row of it"
            " failed, and no destination was given up.",
        ),
    ],
    pool=WAREHOUSE_POOL,
)
def plans(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    platform: dg.ResourceParam[Settings],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Plan every activation of the settings; with a reason to hold, hold them all."""
    refuse_the_past(context.instance, context.run.tags)
    state = open_state(platform.state_url.get_secret_value())
    holds = find_holds(state, platform)
    # What a dead run left in flight cannot be planned anew, so it comes first.
    leftovers = None if holds else dispatch(state, platform, only_leftovers=True)
    yield _delivered(state, PLANS, "leftovers_delivered", leftovers, holds)
    made = plan_all(warehouse.engine, state, platform, holds=holds)
    held = holds or [_held_line(plan) for plan in made if plan.is_held]
    yield dg.AssetCheckResult(
        passed=not held,
        asset_key=PLANS,
        check_name="not_held",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"found": "; ".join(held) or "no plan is held"},
    )
    yield dg.MaterializeResult(
        asset_key=PLANS,
        metadata={
            "plans": dg.MetadataValue.md(_plan_table(made)),
            "messages_planned": sum(plan.eligible_count for plan in made),
        },
    )


@dg.asset(
    key=MESSAGES,
    deps=[PLANS],
    group_name="activation",
    description="One row is one thing to tell one destination about one customer: the send ledger.",
    kinds={"sqlite"},
    owners=[OWNER],
    check_specs=[
        dg.AssetCheckSpec(
            SUMS_ADD_UP,
            asset=MESSAGES,
            blocking=True,
            description="For each plan: eligible = sent + suppressed + deferred + failed. Nothing"
            " is planned or sent while it fails.",
        ),
        dg.AssetCheckSpec(
            "delivered",
            asset=MESSAGES,
            description="No row failed in this run, and no destination was given up.",
        ),
    ],
)
def messages(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Send what the ledger holds, unless something holds everything."""
    refuse_the_past(context.instance, context.run.tags)
    state = open_state(platform.state_url.get_secret_value())
    holds = find_holds(state, platform)
    report = None if holds else dispatch(state, platform, on_progress=context.log.info)
    lines = _lines(report, holds)
    for line in lines:
        context.log.info(line)
    yield _delivered(state, MESSAGES, "delivered", report, holds)
    count_again(state, before=utc_now() - _COUNTED_EVERY, now=utc_now())
    balances = conservation(state)
    broken = [balance for balance in balances if not balance.adds_up]
    sums = sums_of(balances)
    found = ", ".join(f"{name} {count}" for name, count in sums.items())
    record_check(state, CheckResult(MESSAGES_TABLE, SUMS_ADD_UP, not broken, found))
    yield dg.AssetCheckResult(
        passed=not broken,
        asset_key=MESSAGES,
        check_name=SUMS_ADD_UP,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"found": found, "plans_that_do_not": [balance.plan_id for balance in broken]},
    )
    yield dg.MaterializeResult(
        asset_key=MESSAGES,
        metadata={
            **sums,
            "report": dg.MetadataValue.md("\n".join(f"- {ln}" for ln in lines)),
            **plot_of_ledger(daily_sums(balances, since=utc_now() - _PLOTTED)),
        },
    )


@dg.asset(
    key=FEEDS,
    deps=[asset_key("activation.offers")],
    group_name="activation",
    description="Files of what the shop sells, for ad platforms: one row is an offer that is"
    " written or left out for a reason.",
    kinds={"file"},
    owners=[OWNER],
    check_specs=[
        dg.AssetCheckSpec(
            "feeds_written",
            asset=FEEDS,
            description="No feed is held for what it would lose, or could not be written.",
        ),
    ],
    pool=WAREHOUSE_POOL,
)
def feeds(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    platform: dg.ResourceParam[Settings],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Write the product feeds that changed."""
    refuse_the_past(context.instance, context.run.tags)
    state = open_state(platform.state_url.get_secret_value())
    outcomes = write_feeds(warehouse.engine, state, platform, holds=find_holds(state, platform))
    found = "; ".join(outcome.line() for outcome in outcomes) or "no feed is configured"
    passed = all(outcome.status in ("written", "unchanged") for outcome in outcomes)
    yield _warning(state, FEEDS, "feeds_written", passed, found)
    yield dg.MaterializeResult(
        asset_key=FEEDS,
        metadata={
            "offers": sum(outcome.offer_count for outcome in outcomes),
            "report": dg.MetadataValue.md("\n".join(f"- {one.line()}" for one in outcomes)),
        },
    )


def refuse_the_past(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> None:
    """Stop a run of a backfill, or of days, before it reads or sends anything.

    A run that repeats another one is what that one was: Dagster takes the backfill's tag off it.
    """
    first = instance.get_run_by_id(tags[_ROOT_TAG]) if _ROOT_TAG in tags else None
    if any(tag.startswith(_OF_THE_PAST) for tag in (*tags, *(first.tags if first else ()))):
        raise dg.Failure(
            "a backfill, or a run of days, never sends; start the activation job instead",
            allow_retries=False,
        )


def _lines(report: DispatchReport | None, holds: list[str]) -> list[str]:
    """What a dispatch did, a line each; without a report, why nothing was sent."""
    return list(report.lines()) if report else [f"held: {hold}" for hold in holds]


def _delivered(
    state: sa.Engine,
    key: dg.AssetKey,
    name: str,
    report: DispatchReport | None,
    holds: list[str],
) -> dg.AssetCheckResult:
    """A dispatch as a check that stops nothing: what waits or failed is in the ledger."""
    passed = report is None or not report.has_failures
    return _warning(state, key, name, passed, "; ".join(_lines(report, holds)) or "nothing to send")


def _warning(
    state: sa.Engine, key: dg.AssetKey, name: str, passed: bool, found: str
) -> dg.AssetCheckResult:
    """A check that stops nothing, remembered for who asks without the UI."""
    record_check(state, CheckResult(".".join(key.path), name, passed, found, is_blocking=False))
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=key,
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"found": found},
    )


def _held_line(plan: Plan) -> str:
    return f"{plan.audience} -> {plan.destination}: {', '.join(plan.held_reasons)}"


def _plan_table(made: list[Plan]) -> str:
    rows = [
        f"| {p.audience} | {p.destination} | {p.status} | {p.eligible_count} |"
        f" {p.finding or ''} | {', '.join(p.held_reasons)} |"
        for p in made
    ]
    names = ("segment", "destination", "status", "messages", "waited for", "held because")
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|"
    return "\n".join([head, *rows])

"""From segments to destinations: plan, ledger, dispatch. docs/ledger.md says how and why."""

from marketing_platform.activation.attributes import tables_told
from marketing_platform.activation.balance import (
    Balance,
    Failure,
    HeldPlan,
    ReasonCount,
    conservation,
    count_again,
    daily_sums,
    failures,
    held_plans,
    ledger_sums,
    reason_counts,
    retry,
    sums_of,
)
from marketing_platform.activation.dispatch import dispatch
from marketing_platform.activation.ledger import TOLD, is_lost
from marketing_platform.activation.plan import Plan, make_plan, plan_all
from marketing_platform.activation.product_feeds import FeedOutcome, write_feeds
from marketing_platform.activation.release import release
from marketing_platform.activation.report import DestinationReport, DispatchReport
from marketing_platform.activation.run import activate
from marketing_platform.activation.story import Story, story_of

__all__ = [
    "TOLD",
    "Balance",
    "DestinationReport",
    "DispatchReport",
    "Failure",
    "FeedOutcome",
    "HeldPlan",
    "Plan",
    "ReasonCount",
    "Story",
    "activate",
    "conservation",
    "count_again",
    "daily_sums",
    "dispatch",
    "failures",
    "held_plans",
    "is_lost",
    "ledger_sums",
    "make_plan",
    "plan_all",
    "reason_counts",
    "release",
    "retry",
    "story_of",
    "sums_of",
    "tables_told",
    "write_feeds",
]

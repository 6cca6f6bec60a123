"""From segments to destinations: plan, ledger, dispatch. docs/ledger.md says how and why."""

from marketing_platform.activation.balance import (
    Balance,
    Failure,
    conservation,
    failures,
    ledger_sums,
    retry,
)
from marketing_platform.activation.dispatch import dispatch
from marketing_platform.activation.plan import Plan, make_plan, plan_all
from marketing_platform.activation.report import DestinationReport, DispatchReport
from marketing_platform.activation.run import activate

__all__ = [
    "Balance",
    "DestinationReport",
    "DispatchReport",
    "Failure",
    "Plan",
    "activate",
    "conservation",
    "dispatch",
    "failures",
    "ledger_sums",
    "make_plan",
    "plan_all",
    "retry",
]

"""Whether what a rule waits for is the case: an odd day of a series of the business."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule
from marketing_platform.warehouse import Warehouse

_FOUND = """
    select a.began_on, a.finding
    from quality.anomalies as a
    cross join (
        select max(series_date) as last_date from quality.judged_series where metric = $metric
    ) as newest
    where
        a.metric = $metric
        and a.slice_kind = $slice_kind
        and a.slice = $slice
        and ($kind is null or a.kind = $kind)
        and a.series_date > newest.last_date - to_days(cast($days as integer))
    order by a.series_date desc
    limit 1
"""


@dataclass(frozen=True)
class Cause:
    """Whether a rule is on. What is told once is told once for an `occasion`.

    `finding` is in words what a rule that waits has found. A rule that waits for nothing is always
    on, finds nothing, and its occasion is when a person enters.
    """

    is_on: bool
    occasion: str | None = None
    finding: str | None = None


def cause_of(warehouse: Warehouse, rule: ActivationRule) -> Cause:
    """Look whether the series of a rule is odd."""
    if rule.when is None:
        return Cause(is_on=True)
    waits = Cause(is_on=False, finding=f"waits: {rule.when.metric} is not odd")
    if not warehouse.exists("quality.anomalies"):
        return waits
    found = warehouse.query(_FOUND, rule.when.model_dump()).rows()
    if not found:
        return waits
    began_on, finding = found[0]
    return Cause(True, f"{rule.when.metric} since {began_on}", finding)


def check_cause(warehouse: Warehouse, rule: ActivationRule, where: str) -> None:
    """Refuse a series that the shop does not have. Before there is any, none can be told."""
    if rule.when is None or not warehouse.exists("quality.series"):
        return
    known = warehouse.query(
        "select distinct metric, slice_kind, slice from quality.series order by all"
    ).rows()
    wanted = (rule.when.metric, rule.when.slice_kind, rule.when.slice)
    if not known or wanted in known:
        return
    names = {" ".join(one) for one in known}
    near = difflib.get_close_matches(" ".join(wanted), names, 1)
    raise ConfigError(
        f"{rule.segment} to {rule.destination}: no series {' '.join(wanted)}",
        where=where,
        mend=f"Did you mean {near[0]}?" if near else "See the table quality.series",
    )

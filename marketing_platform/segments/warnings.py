"""What somebody should look at: segments that are empty, explode, or say the same as another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from marketing_platform.segments.conditions import Segment
from marketing_platform.warehouse import Warehouse

MOST_ACTIVE = 20
"""More active segments than this nobody keeps an eye on."""

_LIKE = 0.95
_JUDGED_FROM = 50
_FACTOR = 2.0
# Of two segments, the share of those in either who are in both.
_ALIKE = """
    with sizes as (
        select segment, count(*) as member_count from segments.memberships group by segment
    ),
    pairs as (
        select one.segment, other.segment as other, count(*) as both_count
        from segments.memberships as one
        inner join segments.memberships as other
            on one.customer_id = other.customer_id and one.segment <> other.segment
        group by one.segment, other.segment
    )
    select
        pairs.segment,
        pairs.other,
        pairs.both_count / (one.member_count + two.member_count - pairs.both_count) as alike
    from pairs
    inner join sizes as one on pairs.segment = one.segment
    inner join sizes as two on pairs.other = two.segment
    where one.member_count >= $judged_from
    order by pairs.segment, alike desc, pairs.other
"""


def warnings_of(
    warehouse: Warehouse,
    segments: Iterable[Segment],
    counts: Mapping[str, int],
    before: Mapping[str, int],
    today: dt.date,
) -> dict[str, str]:
    """What is odd about each segment, of those about which something is."""
    alike: dict[str, tuple[str, float]] = {}
    for segment, other, share in warehouse.query(_ALIKE, {"judged_from": _JUDGED_FROM}).iter_rows():
        alike.setdefault(segment, (other, share))
    told: dict[str, str] = {}
    for one in segments:
        found = [
            *_of_size(counts.get(one.name, 0), before.get(one.name)),
            *_of_likeness(alike.get(one.name)),
        ]
        if one.review_on is not None and today >= one.review_on:
            found.append(f"was to be reviewed on {one.review_on}")
        if found:
            told[one.name] = "; ".join(found)
    return told


def _of_size(now: int, before: int | None) -> list[str]:
    if now == 0:
        return ["is empty"]
    if before is None or max(now, before) < _JUDGED_FROM:
        return []
    if before == 0 or now / before >= _FACTOR:
        return [f"grew from {before} to {now}"]
    return [f"shrank from {before} to {now}"] if now / before <= 1 / _FACTOR else []


def _of_likeness(alike: tuple[str, float] | None) -> list[str]:
    if alike is None or alike[1] < _LIKE:
        return []
    return [f"{alike[1]:.0%} the same as {alike[0]}"]

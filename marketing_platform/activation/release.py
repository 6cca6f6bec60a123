"""A person lets a held plan go: that one, and nothing else."""

from __future__ import annotations

import sqlalchemy as sa

from marketing_platform.errors import InputError
from marketing_platform.settings import ActivationRule
from marketing_platform.state import plans, reading, utc_now, writing


def release(engine: sa.Engine, plan_id: int, by: str) -> tuple[str, str]:
    """Let a held plan go; gives its destination and audience.

    The next activation plans the same again and lets it pass. If by then it would do anything else,
    it is held again. Only limits of size are lifted, no check and no clock.
    """
    with writing(engine) as connection:
        row = connection.execute(sa.select(plans).where(plans.c.plan_id == plan_id)).first()
        where = f"plan {plan_id}"
        if row is None:
            raise InputError(
                "no such plan", where=where, mend="See: marketing-platform activation held"
            )
        if row.status != "held":
            raise InputError(f"it is not held but {row.status}", where=where)
        latest = sa.select(sa.func.max(plans.c.plan_id)).where(
            plans.c.destination == row.destination, plans.c.audience == row.audience
        )
        newest = connection.execute(latest).scalar_one()
        if newest != plan_id:
            raise InputError(
                "a later plan has taken its place", where=where, mend=f"Look at plan {newest}"
            )
        connection.execute(
            sa.update(plans)
            .where(plans.c.plan_id == plan_id)
            .values(released_at=utc_now(), released_by=by)
        )
        return row.destination, row.audience


def is_released(engine: sa.Engine, rule: ActivationRule, fingerprint: str) -> bool:
    """Whether the latest plan of the audience is held, was let go, and did just the same."""
    latest = (
        sa.select(plans.c.status, plans.c.fingerprint, plans.c.released_at)
        .where(plans.c.destination == rule.destination, plans.c.audience == rule.name)
        .order_by(plans.c.plan_id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(latest).first()
    return bool(row and row.status == "held" and row.released_at and row.fingerprint == fingerprint)

"""What becomes of each record between raw and staging: accepted, duplicate or quarantined."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

_DECIDED = ("outcome", "quarantine_reason")


def with_outcome(sql: str, *, parent: str | None = None) -> str:
    """A staging select with its `outcome`.

    `sql` gives record_id, record_key, received_date, record_updated_at, received_at,
    quarantine_reason and its own columns. A record with a reason is quarantined. Of the other
    versions of one record_key the latest is accepted, the earlier ones are duplicates. An element
    of a list (`sql` gives parent_record_id, `parent` is the staging table of its record) goes with
    its record first.
    """
    names = columns_of(sql)
    columns = ", ".join(f"v.{name}" for name in names if name not in _DECIDED)
    reason = "case when coalesce(j.record_key, '') = '' then 'no key' else j.quarantine_reason end"
    ranked = f"""
        select
            {", ".join(f"j.{name}" for name in names if name != "quarantine_reason")},
            {_with_parent(reason) if parent else reason} as quarantine_reason,
            {"p.outcome" if parent else "'accepted'"} as parent_outcome
        from judged as j
        {f"left join {parent} as p on j.parent_record_id = p.record_id" if parent else ""}
    """
    return f"""
        with
        judged as (
            {_plain(sql)}
        ),
        reasoned as ({ranked}),
        ranked as (
            select
                *,
                row_number() over (
                    partition by
                        record_key, quarantine_reason is not null, parent_outcome <> 'accepted'
                    order by
                        record_updated_at desc nulls last,
                        received_at desc nulls last,
                        record_id desc nulls last
                ) as version
            from reasoned
        )
        select
            {columns},
            case
                when v.quarantine_reason is not null then 'quarantined'
                when v.parent_outcome <> 'accepted' or v.version > 1 then 'duplicate'
                else 'accepted'
            end as outcome,
            v.quarantine_reason
        from ranked as v
    """


def columns_of(sql: str) -> list[str]:
    """The names of the columns that a select gives."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    assert isinstance(tree, exp.Query)  # noqa: S101 - tells the type checker
    return tree.named_selects


def _with_parent(reason: str) -> str:
    """An element of an older version of its record needs no reason: it is a duplicate with it."""
    return (
        "case when p.outcome = 'duplicate' then null"
        f" when {reason} is not null then {reason}"
        " when coalesce(p.outcome, 'quarantined') = 'quarantined'"
        " then 'its record is quarantined' end"
    )


def _plain(sql: str) -> str:
    """The select without its comments: a `--` at the end would swallow what follows."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    for node in tree.walk():
        if isinstance(node, exp.Expression):
            node.comments = None
    return tree.sql("duckdb")

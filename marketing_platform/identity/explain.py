"""Why contacts are one customer: the ties between them, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from marketing_platform.errors import InputError
from marketing_platform.identity.edges import Edge
from marketing_platform.warehouse import Warehouse


@dataclass(frozen=True)
class Tie:
    """A contact, and what ties it to one that was named before: nothing for the first."""

    contact_id: str
    known_as: str
    tied_to: str | None = None
    by: str | None = None


_CUSTOMERS_OF = """
with people as (
    select m.customer_id, m.contact_id, c.email, c.phone
    from identity.contact_customers as m
    inner join core.contacts as c on m.contact_id = c.contact_id
),
-- Each way by itself, so that a list of any length is one look at the people.
found as (
    select n.name, p.customer_id
    from named as n inner join people as p on n.name = p.customer_id
    union
    select n.name, p.customer_id
    from named as n inner join people as p on n.name = p.contact_id
    union
    select n.name, p.customer_id
    from named as n inner join people as p on n.name = p.phone
    union
    select n.name, p.customer_id
    from named as n inner join people as p on lower(n.name) = p.email
)
select
    n.name,
    coalesce(
        list(f.customer_id order by f.customer_id) filter (where f.customer_id is not null), []
    ) as customers
from named as n
left join found as f on n.name = f.name
group by n.name
order by n.name
"""


def customers_of(warehouse: Warehouse, names: Iterable[str]) -> dict[str, str]:
    """The customer that is meant by each name: an id of it, a contact's, an e-mail or a phone."""
    named = pl.DataFrame({"name": sorted(set(names))}, schema={"name": pl.String})
    with warehouse.connect() as connection:
        connection.register("named", named.to_arrow())
        found: dict[str, list[str]] = dict(connection.sql(_CUSTOMERS_OF).pl().iter_rows())
        connection.unregister("named")
    wrong = {name: customers for name, customers in found.items() if len(customers) != 1}
    for name, customers in wrong.items():
        count = len(customers)
        what = f"{count} customers: {', '.join(customers[:5])}" if customers else "no customer"
        more = f"; nor is one meant by {len(wrong) - 1} more" if len(wrong) > 1 else ""
        mend = "Name a customer, a contact, an e-mail or a phone"
        raise InputError(what + more, where=name, mend=mend)
    return {name: customers[0] for name, customers in found.items()}


def customer_of(warehouse: Warehouse, name: str) -> str:
    """The customer that is meant: by its id, a contact's, an e-mail or a phone."""
    return customers_of(warehouse, [name])[name]


def explain(warehouse: Warehouse, customer_id: str, said: Sequence[Edge] = ()) -> list[Tie]:
    """The contacts of a customer, each with the shortest way to it from the first."""
    contacts = warehouse.query(
        """
        select
            c.contact_id,
            concat_ws(
                ', ', c.email, c.phone, nullif(concat_ws(' ', c.first_name, c.last_name), '')
            )
                as known_as
        from identity.contact_customers as m
        inner join core.contacts as c on m.contact_id = c.contact_id
        where m.customer_id = $customer
        order by c.created_at nulls last, c.contact_id
        """,
        {"customer": customer_id},
    )
    known = dict(contacts.iter_rows())
    ties = _ties(warehouse, customer_id, said, known)
    found: dict[str, Tie] = {}
    for start in known:
        if start in found:
            continue
        found[start] = Tie(start, known[start])
        waiting = deque([start])
        while waiting:
            contact = waiting.popleft()
            for other, by in ties.get(contact, ()):
                if other not in found:
                    found[other] = Tie(other, known[other], contact, by)
                    waiting.append(other)
    return list(found.values())


def _ties(
    warehouse: Warehouse, customer_id: str, said: Sequence[Edge], known: dict[str, str]
) -> dict[str, list[tuple[str, str]]]:
    shared = warehouse.query(
        """
        select i.contact_id, i.kind, i.value
        from identity.identifiers as i
        inner join identity.contact_customers as m on i.contact_id = m.contact_id
        where
            m.customer_id = $customer
            and i.unused_reason is null
            and i.kind <> 'source_id'
            and i.contact_count > 1
        order by i.kind, i.value, i.contact_id
        """,
        {"customer": customer_id},
    )
    ties: dict[str, list[tuple[str, str]]] = {}

    def tie(contacts: Sequence[str], by: str) -> None:
        there = [contact for contact in contacts if contact in known]
        for other in there[1:]:
            ties.setdefault(there[0], []).append((other, by))
            ties.setdefault(other, []).append((there[0], by))

    for row in shared.group_by("kind", "value", maintain_order=True).agg("contact_id").to_dicts():
        tie(row["contact_id"], f"{row['kind']} {row['value']}")
    for edge in said:
        if edge.kind == "together":
            tie(edge.contact_ids, f"edge {edge.edge_id}: {edge.reason}")
    return ties


def held_back(warehouse: Warehouse, limit: int = 20) -> pl.DataFrame:
    """Identifiers that tie, and yet belong to several customers: kind, value, customer_count.

    These are the customers that were held back as too large, and what a person has set apart.
    """
    return warehouse.query(
        """
        select i.kind, i.value, count(distinct m.customer_id) as customer_count
        from identity.identifiers as i
        inner join identity.contact_customers as m on i.contact_id = m.contact_id
        where i.unused_reason is null and i.kind <> 'source_id'
        group by i.kind, i.value
        having count(distinct m.customer_id) > 1
        order by customer_count desc, i.kind, i.value
        limit $limit
        """,
        {"limit": limit},
    )


def shared_too_often(warehouse: Warehouse, limit: int = 20) -> pl.DataFrame:
    """Identifiers that tie nobody, the most shared first: kind, value, contact_count, reason.

    Those of families, of which there are many and which are well as they are, come last.
    """
    return warehouse.query(
        """
        select kind, value, max(contact_count) as contact_count, any_value(unused_reason) as reason
        from identity.identifiers
        where unused_reason is not null
        group by kind, value
        order by reason = 'people of different names', contact_count desc, kind, value
        limit $limit
        """,
        {"limit": limit},
    )

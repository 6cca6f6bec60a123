"""`identity.contact_customers`: who is who, and what that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from marketing_platform.errors import ContractError
from marketing_platform.identity.edges import (
    Edge,
    edges,
    identity_changes,
    is_accepted,
    log_changes,
)
from marketing_platform.identity.inherited import inherit_suppressions
from marketing_platform.identity.resolve import (
    MAPPING,
    Difference,
    changes,
    difference,
    groups,
    held_back,
    named_by,
    own_ids,
    with_stable_ids,
)
from marketing_platform.names import TableName
from marketing_platform.settings import Identity, Settings
from marketing_platform.state import (
    barred_contacts,
    messages,
    open_state,
    reaching,
    reading,
    suppressions,
    writing,
)
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "identity.contact_customers"
# So many contacts are looked up in the ledger one by one.
_FEW = 1000
# Contacts that were not there before, and the customer that each was: one whose contacts are all
# gone, and who alone had the address.
_KNOWN_AGAIN = """
with
gone as (
    select p.customer_id, p.email, p.phone
    from identity.customers as p
    semi join identity.contact_customers as m on p.customer_id = m.customer_id
    anti join (
        select m.customer_id
        from identity.contact_customers as m
        semi join core.contacts as c on m.contact_id = c.contact_id
    ) as here on p.customer_id = here.customer_id
),
known as (
    select kind, address, any_value(customer_id) as customer_id
    from (
        select 'email' as kind, email as address, customer_id from gone
        union all
        select 'phone' as kind, phone as address, customer_id from gone
    )
    where address is not null
    group by kind, address
    having count(*) = 1
),
fresh as (
    select c.contact_id, i.kind, case i.kind when 'email' then c.email else c.phone end as address
    from core.contacts as c
    inner join identity.identifiers as i on c.contact_id = i.contact_id
    anti join identity.contact_customers as m on c.contact_id = m.contact_id
    where i.kind in ('email', 'phone') and i.unused_reason is null
)
select contact_id, arg_min(customer_id, kind) as customer_id
from fresh
inner join known using (kind, address)
group by contact_id
"""


@dataclass(frozen=True)
class Resolved:
    """A mapping, those groups that were too large for it, and what it changes."""

    mapping: pl.DataFrame
    held: pl.DataFrame
    changes: pl.DataFrame
    difference: Difference


def resolve(
    contacts: pl.DataFrame,
    identifiers: pl.DataFrame,
    before: pl.DataFrame,
    said: Sequence[Edge],
    rules: Identity,
    probable: pl.DataFrame | None = None,
    told: pl.DataFrame | None = None,
) -> Resolved:
    """The mapping of these contacts.

    `identifiers` are those that tie, `probable` pairs of contacts that are to be one person though
    they share none, `told` who contacts are known to have been that were not there before.
    """
    told = pl.DataFrame(schema=MAPPING) if told is None else told
    tying = identifiers.select("contact_id", "kind", "value")
    if probable is not None and probable.height:
        tying = pl.concat([tying, _as_identifiers(probable)])
    grouped = groups(contacts, tying, said)
    grouped, large = held_back(grouped, before, rules.largest_customer)
    mapping = with_stable_ids(grouped, named_by(grouped, before, told))
    judged = difference(before, mapping, changes(before, mapping))
    return Resolved(mapping, large, changes(pl.concat([before, told]), mapping), judged)


def build_contact_customers(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the mapping, unless it changes more than the settings let pass."""
    rules = settings.platform.identity
    warehouse.ensure(_NAME)
    before = warehouse.read(_NAME).select(list(MAPPING))
    if warehouse.exists("identity.customers"):
        # A system that gives its people new keys makes nobody of them a stranger.
        before = pl.concat([before, warehouse.query(_KNOWN_AGAIN).select(list(MAPPING))])
    contacts = warehouse.query("select contact_id from core.contacts")
    told = _told(settings, contacts.join(before, on="contact_id", how="anti"))
    found = resolve(
        contacts,
        warehouse.query(
            "select contact_id, kind, value from identity.identifiers"
            " where unused_reason is null and kind <> 'source_id' and contact_count > 1"
        ),
        before,
        _said(settings),
        rules,
        _probable(warehouse, rules),
        told,
    )
    _judge(found, rules, settings)
    if url := settings.state_url.get_secret_value():
        inherit_suppressions(open_state(url), found.changes)
        _remember_barred(open_state(url), found.mapping, found.changes)
    built = warehouse.replace(_NAME, found.mapping)
    _log(warehouse, settings, pl.concat([before, told]), found)
    return built


def _told(settings: Settings, fresh: pl.DataFrame) -> pl.DataFrame:
    """Whom the state database knows of those who were not there before: they were gone for a while,
    or the warehouse is built anew.
    """
    url = settings.state_url.get_secret_value()
    if fresh.is_empty() or not url:
        return pl.DataFrame(schema=MAPPING)
    own = own_ids(fresh)
    spoken_to = sa.select(messages.c.customer_id)
    if own.height <= _FEW:
        # There is an index for these, and no need to read the ledger whole.
        spoken_to = spoken_to.where(
            reaching(messages), messages.c.customer_id.in_(own["customer_id"].to_list())
        )
    known = sa.union(
        spoken_to,
        sa.select(suppressions.c.customer_id),
        sa.select(identity_changes.c.other_customer_id),
    )
    with reading(open_state(url)) as connection:
        ids = pl.Series("customer_id", [*connection.execute(known).scalars()], dtype=pl.String)
        barred = _barred_contacts(connection)
    # Who is barred may be called after a contact that is there no more.
    was = own.rename({"customer_id": "own_id"}).join(barred, on="own_id").drop("own_id")
    called = own.join(ids.to_frame(), on="customer_id", how="semi")
    return pl.concat([was, called.join(was, on="contact_id", how="anti")])


def _barred_contacts(connection: sa.Connection) -> pl.DataFrame:
    rows = connection.execute(sa.select(barred_contacts)).all()
    schema = {"own_id": pl.String, "customer_id": pl.String}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def _remember_barred(state: sa.Engine, mapping: pl.DataFrame, changed: pl.DataFrame) -> None:
    """Keep which contacts are of people who must not be written to; those that are gone stay.

    `changed` is what `changes` tells of the mapping.
    """
    with reading(state) as connection:
        noted = _barred_contacts(connection)
        ids = [*connection.execute(sa.select(suppressions.c.customer_id).distinct()).scalars()]
    barred = pl.DataFrame({"customer_id": pl.Series(ids, dtype=pl.String)})
    wanted = _with_own_ids(mapping.join(barred, on="customer_id", how="semi"))
    new = wanted.join(noted, on=noted.columns, how="anti")
    others = changed.select(pl.col("other_customer_id").alias("customer_id"))
    moved = _with_own_ids(mapping.join(others, on="customer_id", how="semi"))
    left = pl.concat([new, moved.join(wanted, on="own_id", how="anti")])
    gone = noted.join(left, on="own_id", how="semi")["own_id"].to_list()
    if new.is_empty() and not gone:
        return
    with writing(state) as connection:
        for own_id in gone:
            connection.execute(sa.delete(barred_contacts).where(barred_contacts.c.own_id == own_id))
        if new.height:
            connection.execute(sa.insert(barred_contacts), new.to_dicts())


def _with_own_ids(mapping: pl.DataFrame) -> pl.DataFrame:
    """The customers of contacts that are named by their own ids."""
    own = own_ids(mapping).rename({"customer_id": "own_id"})
    return own.join(mapping, on="contact_id").select("own_id", "customer_id")


def _said(settings: Settings) -> list[Edge]:
    url = settings.state_url.get_secret_value()
    return edges(open_state(url)) if url else []


def _probable(warehouse: Warehouse, rules: Identity) -> pl.DataFrame | None:
    if rules.linkage.merge_above is None:
        return None
    return warehouse.query(
        "select contact_id, other_contact_id from identity.probable_links"
        " where probability >= $least",
        {"least": rules.linkage.merge_above},
    )


def _as_identifiers(pairs: pl.DataFrame) -> pl.DataFrame:
    """A value of its own for each pair, which both contacts have."""
    value = pl.concat_str("contact_id", pl.lit(" "), "other_contact_id").alias("value")
    kind = pl.lit("probable").alias("kind")
    sides = [pl.col("contact_id"), pl.col("other_contact_id").alias("contact_id")]
    return pl.concat([pairs.select(side, kind, value) for side in sides])


def _judge(found: Resolved, rules: Identity, settings: Settings) -> None:
    """Hold a mapping that changes too much. Raises ContractError: the one before stays."""
    told = found.difference
    if told.customers_before < rules.judged_from:
        return
    wrong = []
    if told.merged_share > rules.most_merged_share:
        wrong.append(f"{told.merged_count} customers ({told.merged_share:.1%}) would be merged")
    if told.split_share > rules.most_split_share:
        wrong.append(f"{told.split_count} customers ({told.split_share:.1%}) would be split")
    url = settings.state_url.get_secret_value()
    if wrong and not (url and is_accepted(open_state(url), told.digest)):
        raise ContractError(
            # Checks show only what is wrong, so the way out is part of it.
            f"{' and '.join(wrong)}, of {told.customers_before}; to let it pass:"
            f" marketing-platform identity accept {told.digest}",
            where=_NAME,
            mend="The mapping of before is left in place",
        )


def _log(warehouse: Warehouse, settings: Settings, before: pl.DataFrame, found: Resolved) -> None:
    """Remember what changes, each with the identifier or edge that caused it."""
    url = settings.state_url.get_secret_value()
    told = found.changes
    if told.is_empty() or not url:
        return
    told = told.join(_causes(warehouse, told, before, found.mapping), on="contact_id", how="left")
    told = told.with_columns(pl.col("cause").fill_null("no identifier is shared any more"))
    log_changes(open_state(url), told.to_dicts())


def _causes(
    warehouse: Warehouse, told: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame
) -> pl.DataFrame:
    """For a customer that was merged: an identifier that it shares with the other one."""
    merged = told.filter(pl.col("kind") == "merged")
    if merged.is_empty():
        return pl.DataFrame(schema={"contact_id": pl.String, "cause": pl.String})
    was = before.rename({"customer_id": "was"})
    touched = after.join(
        merged.select("other_customer_id").unique(),
        left_on="customer_id",
        right_on="other_customer_id",
        how="semi",
    )
    touched = touched.join(was, on="contact_id", how="left")
    used = warehouse.query(
        "select contact_id, kind, value from identity.identifiers"
        " where unused_reason is null and contact_count > 1"
    ).join(touched, on="contact_id")
    bridging = (
        used.group_by("customer_id", "kind", "value")
        .agg(pl.col("was").n_unique().alias("count"), pl.col("was"))
        .filter(pl.col("count") > 1)
        .explode("was")
        .sort("kind", "value")
        .unique(["was"], keep="first", maintain_order=True)
        .with_columns(cause=pl.concat_str(pl.lit("shares "), "kind", pl.lit(" "), "value"))
    )
    return merged.join(
        bridging.select("was", "cause"), left_on="customer_id", right_on="was", how="left"
    ).select("contact_id", pl.col("cause").fill_null("said to be one person"))


TABLES = (
    PythonTable(
        TableName("identity", "contact_customers"),
        "One row is a contact and the customer it belongs to. Contacts that share an identifier are"
        " one customer, through any number of hops; a customer keeps its id.",
        ("core.contacts", "identity.identifiers", "identity.probable_links"),
        build_contact_customers,
        is_long=True,
    ),
)

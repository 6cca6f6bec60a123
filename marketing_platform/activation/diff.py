"""Compares whom a destination should know with whom it was told of: set work, done in DuckDB.

For each customer there is the *last* message of the ledger, the last one *told* (sent, or perhaps
arrived) and the last one *meant* (not suppressed). From these and the segment follows one row a
customer with the need and the message, if one has to be written.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import orjson
import polars as pl

from marketing_platform.activation.attributes import known_attributes
from marketing_platform.activation.cause import Cause
from marketing_platform.activation.rules import payload_columns
from marketing_platform.destinations.base import Row
from marketing_platform.segments.compile import in_bucket
from marketing_platform.segments.conditions import Bucket
from marketing_platform.settings import ActivationRule, Channel, DestinationSettings, Fatigue
from marketing_platform.state import without_zone

# In a payload: the attributes that were told before and are not known any more.
CLEARED = "cleared"
# Why somebody is not told who is left out to compare with.
HELD_OUT = "held_out"

_DESIRED = """
create or replace temp table desired as
with members as (
    select
        m.customer_id,
        coalesce($occasion, m.entered_at::varchar, '') as occasion,
        m.entered_at,
        c.customer_id is not null as has_profile,
        nullif(trim(c.email), '') is not null as has_email,
        nullif(trim(c.phone), '') is not null as has_phone,
        case $consent
            when 'email' then coalesce(c.has_email_consent, false)
            when 'sms' then coalesce(c.has_sms_consent, false)
            when 'push' then nullif(c.push_token, '') is not null
            else true
        end as has_consent,
        coalesce(
            s.reason,
            case
                when $channel = 'email' and c.has_email_complained then 'complaint'
                when $channel = 'email' and c.has_email_unsubscribed then 'unsubscribed'
                when $channel = 'sms' and c.has_sms_unsubscribed then 'unsubscribed'
                when $channel = 'email' and c.has_email_bounced_hard then 'hard_bounce'
                when $channel = 'email' and c.email_soft_bounced_90d_count >= 3 then 'soft_bounces'
                when $channel = 'email' and c.has_fake_email then 'fake_address'
                when $reaches_person and (
                    c.message_1d_count >= $per_day or c.message_7d_count >= $per_week
                ) then 'fatigue'
            end
        ) as suppressed_for,
        {lacks} as lacks,
        case
            when c.source_contact_id is null
            then json_object('customer_id', m.customer_id{attributes})
            else json_object(
                'customer_id', m.customer_id,
                'source_contact_id', c.source_contact_id{attributes}
            )
        end::varchar as payload
    from segments.memberships m
    left join profiles.customers c on c.customer_id = m.customer_id
    left join suppressed s on s.customer_id = m.customer_id
    {joins}
    where
        m.segment = $segment
        and $is_on
        and coalesce($customer, m.customer_id) = m.customer_id
        and (
            $only::varchar[] is null
            or list_has_any($only::varchar[], [lower(m.customer_id), lower(c.email), c.phone])
        )
)
select
    customer_id,
    payload,
    entered_at,
    -- What is told once is new when the person enters anew; what is kept, when it changed.
    left(sha256(
        case when $once then occasion else payload end
        || case when $target = '' then '' else chr(31) || $target end
    ), 32) as content_version,
    case
        when not has_profile then 'no_profile'
        when $needs_email and not has_email then 'no_email'
        when $needs_phone and not has_phone then 'no_phone'
        when suppressed_for = 'erased' then 'erased'
        when not has_consent then 'no_consent'
        -- Last, so that who is held out could have been told as well as who is not.
        else coalesce(suppressed_for, lacks, case when {is_held_out} then '{held_out}' end)
    end as refusal
from members
"""

_KNOWN = """
create or replace temp table known as
select
    customer_id,
    max_by(row, sequence) as last,
    max_by(row, sequence) filter (where state = 'sent' or may_have_arrived) as told,
    max_by(operation, sequence) filter (where state <> 'suppressed') as meant
from (
    select
        *,
        struct_pack(
            key := message_key, sequence := sequence, operation := operation, state := state,
            reason := reason, content := content_version, payload := payload,
            created_at := created_at, settled_at := settled_at
        ) as row
    from ledger
)
group by customer_id
"""

# When somebody was told of whom all or a part has become another customer since; whose message may
# have arrived and is tried again is told at any moment.
_BEFORE = """
create or replace temp table told_before as
select
    b.other_customer_id as customer_id,
    max(coalesce(k.told.settled_at, 'infinity'::timestamp)) as settled_at
from told_as b
join known k on k.customer_id = b.customer_id and k.told.created_at <= b.until_at
group by b.other_customer_id
"""

# Rows that no plan needs any more: a later one was sent, or they were suppressed and a later one is
# there. None of them can change, but by `retry`, which leaves alone what was overtaken.
_OVERTAKEN = """
select message_key
from (
    select
        message_key, sequence, state, may_have_arrived,
        max(sequence) over (partition by customer_id) as last,
        max(case when state = 'sent' then sequence end) over (partition by customer_id) as sent
    from ledger
)
where coalesce(sequence < sent, false)
    or (state = 'suppressed' and not may_have_arrived and sequence < last)
order by message_key
"""

# Whether what a destination knows a person by is another one now: an update would make somebody
# else of them, and who they were would stay there. One that could not be taken out stays.
_MOVED = """
not $once and told.content <> content_version
and not (last.operation = 'remove' and last.state = 'failed')
and len(list_filter(
    json_extract_string(told.payload, {paths}::varchar[]),
    lambda value, place: value is not null
        and value is distinct from json_extract_string(payload, {paths}::varchar[])[place]
)) > 0
"""

# Whether another customer is a member under the e-mail of one who is none any more: both are the
# same person to a destination that knows people by it, and a removal would take them out.
_TAKEN_OVER = """
left join (
    select distinct json_extract_string(payload, '$.email') as address
    from desired
    where refusal is null
) as other
    on d.customer_id is null and other.address = json_extract_string(k.told.payload, '$.email')
"""

# A removal was sent, or they were never told: the customer is not in the audience over there. An
# update is only planned for a customer whose add was sent, so a doubtful update still finds them
# there; after a doubtful add or a removal, an add is the safe word.
_DECIDED = """
create or replace temp table decided as
with joined as (
    select
        customer_id,
        d.customer_id is not null as is_member,
        d.customer_id is not null and d.refusal is null as is_wanted,
        coalesce(d.refusal = '{held_out}', false) as is_held_out,
        {is_taken_over} as is_taken_over,
        not $once and coalesce(k.meant in ('add', 'update'), false)
            and not is_taken_over as was_wanted,
        d.refusal, d.payload, d.entered_at, d.content_version, k.last, k.told,
        -- Since when they are in is not known, and they were told before anything is known of it.
        coalesce(
            d.entered_at < $begins::timestamp + interval 1 day
            and k.told.created_at < $begins::timestamp, false
        ) as is_of_before,
        -- A removal that may not have arrived takes nobody out.
        k.told.operation <> 'remove' or k.told.state <> 'sent' as may_be_there,
        not $once and coalesce(k.told.settled_at <= $remembers_since, false) as is_forgotten,
        greatest(
            case when k.told is not null then coalesce(k.told.settled_at, 'infinity') end,
            b.settled_at
        ) as heard_at
    from desired d
    full join known k using (customer_id)
    left join told_before b using (customer_id)
    {taken_over}
), needs as (
    select
        * replace (
            -- Said not long ago: who leaves a segment and comes back is not written to at once.
            case
                when $once and (is_wanted or is_held_out) and heard_at > $told_since
                    and (told.content = content_version) is not true then 'told_recently'
                else refusal
            end as refusal
        ),
        case
            when $once then case
                when not is_member then null
                -- It may have arrived, and is tried again until it is known.
                when last.key = told.key and last.state = 'deferred'
                    and last.content = content_version
                then case when is_wanted then 'add' else 'suppress' end
                when (told.content = content_version) is true or is_of_before then null
                -- Who was held out of this stay is not told of it later, when nobody is any more.
                when last.state = 'suppressed' and last.reason = '{held_out}'
                    and last.content = content_version then null
                when is_wanted and coalesce(heard_at <= $told_since, true) then 'add'
                else 'suppress'
            end
            when is_wanted and told.state = 'sent' and told.operation <> 'remove'
                and told.content = content_version and not is_forgotten then null
            when is_wanted and may_be_there and ({has_moved}) then 'remove'
            when is_wanted and (
                told.operation = 'update' or (told.operation = 'add' and told.state = 'sent')
            ) then 'update'
            when is_wanted then 'add'
            when may_be_there and not is_taken_over then 'remove'
            when is_member then 'suppress'
        end as need
    from joined
), judged as (
    select
        *,
        case
            when need is null or last.state = 'in_flight' then false
            when need = 'suppress' then not coalesce(
                last.state = 'suppressed' and last.reason = refusal
                and last.content = content_version, false
            )
            when last.state = 'suppressed' then true
            when need = 'remove' then coalesce(last.operation <> 'remove', true)
            else coalesce(last.operation <> need or last.content <> content_version, true)
                or (last.state = 'sent' and is_forgotten)
        end as is_new
    from needs
), paced as (
    -- Who entered first is told first; the others wait for another day, and who is held out waits
    -- among them for the turn they would have had, so that both are counted from the same moment.
    select
        * replace (is_new and not is_waiting as is_new),
        is_waiting
    from (
        select
            *,
            $room is not null and is_new and case
                when need = 'add' then turn > $room
                else coalesce(refusal = '{held_out}', false) and turn >= $room
            end as is_waiting
        from (
            select
                *,
                count(*) filter (where is_new and need = 'add') over (
                    order by entered_at nulls first, customer_id
                    rows between unbounded preceding and current row
                ) as turn
            from judged
        )
    )
), compared as (
    select
        *,
        case
            when is_new and not $once and need in ('add', 'update') and told is not null
            then json_extract_string(told.payload, {paths}::varchar[])
        end as told_values,
        case
            when told_values is not null then json_extract_string(payload, {paths}::varchar[])
        end as now_values
    from paced
), cleared as (
    select
        *,
        list_filter(
            {names}::varchar[],
            lambda name, place: told_values[place] is not null and now_values[place] is null
        ) as cleared
    from compared
)
select
    customer_id, is_member, is_wanted, is_held_out, was_wanted, need, is_new, is_waiting,
    told is not null as is_told,
    case
        when need = 'remove' then told.payload
        when need = 'suppress' then null
        when len(cleared) > 0 then left(payload, -1) || ',"cleared":' || to_json(cleared) || '}}'
        else payload
    end as payload,
    case need when 'remove' then told.content else content_version end as content_version,
    case need when 'suppress' then refusal end as reason,
    coalesce(last.sequence + 1, 0) as sequence,
    case
        when last.state in ('planned', 'deferred') and (is_new or need is null) then last.key
    end as superseded_key
from cleared
"""

# A message's key is its content, so that whoever plans it again computes the same key.
_NEW = """
select
    left(sha256(concat_ws(
        chr(31), $destination, $audience, customer_id, operation, content_version, sequence::varchar
    )), 32) as message_key,
    *
from (
    select
        customer_id, sequence, payload, content_version, reason,
        case need when 'suppress' then 'add' else need end as operation,
        case need when 'suppress' then 'suppressed' else 'planned' end as state
    from decided
    where is_new
)
order by customer_id
"""

_COUNTS = """
select
    count(*) filter (where is_new and need = 'add') as add_count,
    count(*) filter (where is_new and need = 'update') as update_count,
    count(*) filter (where is_new and need = 'remove') as remove_count,
    count(*) filter (where is_new and need = 'suppress') as suppressed_count,
    count(superseded_key) as superseded_count,
    count(*) filter (where was_wanted) as audience_count,
    count(*) filter (where is_wanted) as wanted_count,
    count(*) filter (where is_member and not is_wanted and not is_held_out) as refused_count,
    count(*) filter (where was_wanted and not is_wanted) as leaving_count,
    count(*) filter (where is_told) as told_count,
    count(*) filter (where is_told and is_new and need = 'add') as again_count,
    count(*) filter (where is_waiting) as waiting_count
from decided
"""


# A sum of hashes: the order of the rows does not matter, and no text of all of them is made.
_FINGERPRINT = """
select concat(
    sum(hash(customer_id, need, content_version, reason)::hugeint), '-', count(*)
) as fingerprint
from decided
where is_new
"""


@dataclass(frozen=True)
class Counts:
    """How many customers a plan is about, by what is to be done.

    `audience_count` is whom the destination has or is about to have, `wanted_count` whom it should
    have, `refused_count` the members who may not be told, `leaving_count` those of the audience
    whom it should have no more; `told_count` whom it was ever told of, `again_count` those of them
    who are to be added once more; `waiting_count` would be told today if the rule told more people
    a day.
    """

    add_count: int
    update_count: int
    remove_count: int
    suppressed_count: int
    superseded_count: int
    audience_count: int
    wanted_count: int
    refused_count: int
    leaving_count: int
    told_count: int = 0
    again_count: int = 0
    waiting_count: int = 0


@dataclass(frozen=True)
class Diff:
    """What a plan has to write: the counts, new messages, and open ones that nobody wants now.

    `overtaken` are the keys of messages that no later plan needs. `fingerprint` is a hash of all
    that is told: another plan with the same one does the same.
    """

    counts: Counts
    new: pl.DataFrame
    superseded: list[str]
    overtaken: list[str]
    fingerprint: str


@dataclass(frozen=True)
class Reach:
    """Whom a rule may reach: the channel, and who must not be written to, with the reason.

    `suppressed` has the columns customer_id and reason. `told_since`: who was told after it is not
    told again. `remembers_since`: who of an audience was told before it is told again, for the
    destination forgets; None where it does not. `told_as`: each customer_id of which all or a part
    became an other_customer_id; what it was told before `until_at` that one was told as well.
    `room` is how many more may be told today; None where the rule does not say.
    """

    channel: Channel | None
    reaches_person: bool
    suppressed: pl.DataFrame
    fatigue: Fatigue
    told_since: dt.datetime
    told_as: pl.DataFrame
    remembers_since: dt.datetime | None = None
    room: int | None = None


def row_of(
    key: str,
    operation: str,
    customer_id: str,
    payload: str,
    not_after: dt.datetime | None = None,
) -> Row:
    """A message as its destination gets it, from its payload in the ledger."""
    content = orjson.loads(payload)
    cleared = frozenset(content.pop(CLEARED, ()))
    return Row(key, operation, customer_id, content, cleared, not_after)


def _is_held_out(rule: ActivationRule) -> str:
    """Whether a member is one of those who are not told, as SQL."""
    if rule.held_out is None:
        return "false"
    part = Bucket(rule.bucket, Decimal(0), rule.held_out.share)
    return in_bucket(part).sql(dialect="duckdb")


def _beginning(connection: duckdb.DuckDBPyConnection) -> dt.datetime | None:
    """Since when the warehouse knows who is in which segment.

    That is later than what the ledger knows where the warehouse was built anew: everybody seems to
    have entered then who is in a segment.
    """
    there = "select 1 from duckdb_tables() where schema_name = 'segments' and table_name = 'stays'"
    if connection.execute(there).fetchone() is None:
        return None
    row = connection.execute("select min(entered_at) from segments.stays").fetchone()
    return row[0] if row else None


def compare(
    connection: duckdb.DuckDBPyConnection,
    ledger: pl.DataFrame,
    rule: ActivationRule,
    destination: DestinationSettings,
    reach: Reach,
    cause: Cause,
    *,
    customer: str | None = None,
) -> Diff:
    """Compare the members of a segment with the rows of the ledger about that audience.

    A rule whose cause is not there has no members. With `customer` it is about that one alone, and
    so must be the rows of `ledger`; what is told once looks at those of whom they were before, too.
    """
    known = known_attributes(rule.product_count)
    told = [known[name] for name in payload_columns(rule)]
    lacks = "".join(f"when {known[name].is_missing} then 'no_{name}' " for name in rule.needs)
    attributes = "".join(f", '{one.name}', {one.value}" for one in told)
    # The profile is joined already.
    tables = {one.alias: one.table for one in told if one.alias != "c"}
    joins = " ".join(
        f"left join {table} {alias} on {alias}.customer_id = m.customer_id"
        for alias, table in tables.items()
    )
    connection.register("suppressed", reach.suppressed.to_arrow())
    connection.execute(
        _DESIRED.format(
            attributes=attributes,
            joins=joins,
            lacks=f"case {lacks}end" if lacks else "null::varchar",
            is_held_out=_is_held_out(rule),
            held_out=HELD_OUT,
        ),
        {
            "segment": rule.segment,
            "is_on": cause.is_on,
            "customer": customer,
            "only": [name.strip().lower() for name in rule.only] if rule.only else None,
            "occasion": cause.occasion,
            "consent": destination.consent,
            "needs_email": "email" in destination.requires,
            "needs_phone": "phone" in destination.requires,
            "channel": reach.channel,
            "reaches_person": reach.reaches_person,
            "per_day": reach.fatigue.per_day,
            "per_week": reach.fatigue.per_week,
            "once": rule.is_once,
            "target": rule.target,
        },
    )
    connection.unregister("suppressed")
    connection.register("ledger", ledger.to_arrow())
    connection.execute(_KNOWN)
    overtaken = connection.sql(_OVERTAKEN).pl()["message_key"].to_list()
    connection.unregister("ledger")
    connection.register("told_as", reach.told_as.to_arrow())
    connection.execute(_BEFORE)
    connection.unregister("told_as")
    forgets = reach.remembers_since
    columns = payload_columns(rule)
    paths = [f"$.{name}" for name in columns]
    known_by = [f"$.{name}" for name in destination.known_by if name in columns]
    decided = _DECIDED.format(
        names=columns,
        paths=paths,
        held_out=HELD_OUT,
        is_taken_over="other.address is not null" if "$.email" in known_by else "false",
        taken_over=_TAKEN_OVER if "$.email" in known_by else "",
        has_moved=_MOVED.format(paths=known_by) if known_by else "false",
    )
    connection.execute(
        decided,
        {
            "once": rule.is_once,
            "told_since": without_zone(reach.told_since),
            "remembers_since": without_zone(forgets) if forgets else None,
            "room": reach.room,
            "begins": _beginning(connection) if cause.occasion is None else None,
        },
    )
    counts = Counts(**connection.sql(_COUNTS).pl().row(0, named=True))
    names = {"destination": rule.destination, "audience": rule.name}
    new = connection.sql(_NEW, params=names).pl()
    [fingerprint] = connection.sql(_FINGERPRINT).pl()["fingerprint"]
    superseded = connection.sql(
        "select superseded_key from decided where superseded_key is not null order by 1"
    ).pl()
    for table in ("decided", "told_before", "known", "desired"):
        connection.execute(f"drop table {table}")
    return Diff(counts, new, superseded["superseded_key"].to_list(), overtaken, fingerprint)

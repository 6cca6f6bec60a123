-- One row is a metric of a slice of the business in an hour (UTC) in which something happened. A source
-- tells of the hours up to its newest record of any kind: what came after it was not pulled yet.
with
days as (
    select as_of, cast(as_of - interval 120 day as timestamp) as first_at
    from core.clock
),
happened as (
    select 'orders' as metric, source, 'all' as part, ordered_at as happened_at,
        coalesce(spent_reporting_amount, gross_reporting_amount) as amount
    from core.orders
    union all
    select 'sign_ups', source, 'all', created_at, null from core.contacts
    union all
    select 'events', source, event, occurred_at, null from core.events
),
recent as (
    select h.*
    from happened as h
    cross join days as k
    where h.happened_at between k.first_at and k.as_of
),
-- A source that is silent for days tells of no hour; that it is silent is told elsewhere.
told as (
    select source, max(happened_at) as newest_at
    from (
        select source, happened_at from recent
        union all
        select source, created_at from core.carts
        union all
        select source, occurred_at from core.engagements
    ) as t
    cross join days as k
    where happened_at <= k.as_of
    group by source
    having max(happened_at) > max(k.as_of) - interval 3 day
),
cuts as (
    select 'all' as slice_kind
    union all
    select 'source' as slice_kind
    union all
    select 'event' as slice_kind
),
cut as (
    select
        r.metric,
        c.slice_kind,
        case c.slice_kind when 'source' then r.source when 'event' then r.part else 'all' end
            as slice,
        r.source,
        t.newest_at,
        cast(date_trunc('hour', r.happened_at) as timestamp) as hour_at,
        r.amount
    from recent as r
    inner join told as t on r.source = t.source
    cross join cuts as c
    where c.slice_kind <> 'event' or r.metric = 'events'
),
-- What several sources tell together is known as far as the slowest of them.
known as (
    select metric, slice_kind, slice, min(newest_at) as told_until_at
    from cut
    group by metric, slice_kind, slice
),
summed as (
    select
        cut.metric,
        cut.slice_kind,
        cut.slice,
        cut.hour_at,
        known.told_until_at,
        count(*) as record_count,
        sum(cut.amount) as revenue_amount
    from cut
    inner join known
        on
            cut.metric = known.metric
            and cut.slice_kind = known.slice_kind
            and cut.slice = known.slice
    group by cut.metric, cut.slice_kind, cut.slice, cut.hour_at, known.told_until_at
)
select
    metric, slice_kind, slice, hour_at, cast(record_count as double) as amount,
    cast(null as double) as volume, told_until_at
from summed
union all
select
    'average_order_value', slice_kind, slice, hour_at, cast(revenue_amount as double),
    cast(record_count as double), told_until_at
from summed
where metric = 'orders' and revenue_amount is not null

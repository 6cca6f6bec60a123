-- One row is a stream: how many records arrived, and what became of them. Accepted, duplicate and
-- quarantined records add up to those that arrived, and for order lines so do their amounts.
with
arrived as (
    select source, stream, count(*) as arrived_count, sum(amount) as arrived_amount
    from raw.records
    group by source, stream
),
outcomes as (
    select
        source,
        stream,
        count(*) filter (where outcome = 'accepted') as accepted_count,
        count(*) filter (where outcome = 'duplicate') as duplicate_count,
        count(*) filter (where outcome = 'quarantined') as quarantined_count,
        sum(amount) filter (where outcome = 'accepted') as accepted_amount,
        sum(amount) filter (where outcome = 'duplicate') as duplicate_amount,
        sum(amount) filter (where outcome = 'quarantined') as quarantined_amount
    from staging.records
    group by source, stream
)
select
    coalesce(a.source, o.source) as source,
    coalesce(a.stream, o.stream) as stream,
    coalesce(a.arrived_count, 0) as arrived_count,
    coalesce(o.accepted_count, 0) as accepted_count,
    coalesce(o.duplicate_count, 0) as duplicate_count,
    coalesce(o.quarantined_count, 0) as quarantined_count,
    cast(a.arrived_amount as decimal(18, 2)) as arrived_amount,
    cast(o.accepted_amount as decimal(18, 2)) as accepted_amount,
    cast(o.duplicate_amount as decimal(18, 2)) as duplicate_amount,
    cast(o.quarantined_amount as decimal(18, 2)) as quarantined_amount
from arrived as a
full outer join outcomes as o on a.source = o.source and a.stream = o.stream

-- One row is a stream: how many records arrived, and what became of them. Accepted, duplicate and
-- quarantined records add up to those that arrived, and for orders so do their amounts.
with
arrived as (
    select 'orders' as stream, count(*) as arrived_count, sum(coalesce(quantity * unit_price, amount)) as arrived_amount
    from raw.files_orders
    union all
    select 'contacts' as stream, count(*) as arrived_count, null as arrived_amount
    from raw.files_contacts
    union all
    select 'products' as stream, count(*) as arrived_count, null as arrived_amount
    from raw.files_products
    union all
    select 'events' as stream, count(*) as arrived_count, null as arrived_amount
    from raw.files_events
    union all
    select 'ad_performance' as stream, count(*) as arrived_count, null as arrived_amount
    from raw.files_ad_performance
),
outcomes as (
    select 'orders' as stream, outcome, line_amount as line_amount
    from staging.files_orders
    union all
    select 'contacts' as stream, outcome, null as line_amount
    from staging.files_contacts
    union all
    select 'products' as stream, outcome, null as line_amount
    from staging.files_products
    union all
    select 'events' as stream, outcome, null as line_amount
    from staging.files_events
    union all
    select 'ad_performance' as stream, outcome, null as line_amount
    from staging.files_ad_performance
)
select
    'files' as source,
    a.stream,
    a.arrived_count,
    count(o.outcome) filter (where o.outcome = 'accepted') as accepted_count,
    count(o.outcome) filter (where o.outcome = 'duplicate') as duplicate_count,
    count(o.outcome) filter (where o.outcome = 'quarantined') as quarantined_count,
    cast(a.arrived_amount as decimal(18, 2)) as arrived_amount,
    cast(sum(o.line_amount) filter (where o.outcome = 'accepted') as decimal(18, 2))
        as accepted_amount,
    cast(sum(o.line_amount) filter (where o.outcome = 'duplicate') as decimal(18, 2))
        as duplicate_amount,
    cast(sum(o.line_amount) filter (where o.outcome = 'quarantined') as decimal(18, 2))
        as quarantined_amount
from arrived as a
left join outcomes as o on a.stream = o.stream
group by a.stream, a.arrived_count, a.arrived_amount

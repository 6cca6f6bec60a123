-- One row is a device of one customer alone, up to the clock: they were signed in on it, or an order of
-- theirs was completed on it. A device of several customers, in a shop or a library, belongs to nobody.
with
-- An order is known by its number where one order alone has it, of about that time.
numbered as (
    select
        source_order_id,
        min(contact_id) as contact_id,
        min(ordered_at) as ordered_at
    from core.orders
    group by source_order_id
    having count(*) = 1
),
completed as (
    select
        concat('anonymous:', e.source, ':', e.anonymous_id) as identifier,
        o.contact_id,
        e.occurred_at as first_at
    from core.events as e
    cross join core.clock as k
    inner join numbered as o
        on substr(e.order_id, length(e.source) + 2) = o.source_order_id
    where
        e.event = 'order_completed'
        and e.anonymous_id is not null
        and e.event_date <= k.as_of_date
        and abs(date_diff('hour', o.ordered_at, e.occurred_at)) <= 24
),
seen as (
    select d.identifier, d.contact_id, d.first_at
    from profiles.daily_devices as d
    cross join core.clock as k
    where d.activity_date <= k.as_of_date
    union all
    select identifier, contact_id, first_at from completed
)
select
    s.identifier,
    any_value(m.customer_id) as customer_id,
    min(s.first_at) as first_seen_at
from seen as s
inner join identity.contact_customers as m on s.contact_id = m.contact_id
group by s.identifier
having count(distinct m.customer_id) = 1

-- One row is a visitor of the site whose name is known: a contact, or a device on which somebody was
-- signed in, or an order was completed, up to the clock. A device is whose it was first, until it is
-- another one's too, as in a shop or a library: what is done on it is theirs while it is theirs alone.
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
        e.occurred_at as first_at,
        e.event_date as activity_date
    from core.events as e
    inner join numbered as o
        on substr(e.order_id, length(e.source) + 2) = o.source_order_id
    where
        e.event = 'order_completed'
        and e.anonymous_id is not null
        and abs(date_diff('hour', o.ordered_at, e.occurred_at)) <= 24
),
seen as (
    select identifier, contact_id, first_at, activity_date from profiles.daily_devices
    union all
    select identifier, contact_id, first_at, activity_date from completed
),
owned as (
    select
        s.identifier,
        m.customer_id,
        min(s.first_at) as first_at,
        min(s.activity_date) as first_date
    from seen as s
    cross join core.clock as k
    inner join identity.contact_customers as m on s.contact_id = m.contact_id
    where s.activity_date <= k.as_of_date
    group by s.identifier, m.customer_id
),
ranked as (
    select
        *,
        row_number() over (partition by identifier order by first_at, customer_id) as place,
        lead(first_date) over (partition by identifier order by first_at, customer_id)
            as next_date
    from owned
)
select
    identifier,
    customer_id,
    first_at as first_seen_at,
    first_date as first_seen_date,
    next_date as shared_date
from ranked
where place = 1
union all
select
    contact_id as identifier,
    customer_id,
    cast(null as timestamp) as first_seen_at,
    cast(null as date) as first_seen_date,
    cast(null as date) as shared_date
from identity.contact_customers

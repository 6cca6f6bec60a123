-- One row is a customer without a purchase by the end of an as-of date: what was known of them then,
-- and whether they bought in the 30 days after it (null: not known yet). What a CRM says of somebody
-- counts by when it was begun; what has become of it since is not looked at. Of whom nothing tells since
-- when they are known, there is no row: they would be taken for new, and no past day teaches of them.
with
clock as (
    select as_of_date from core.clock
),
dates as (
    select distinct as_of_date, ends_at
    from predictions.as_of_dates
    where task = 'value'
),
first_orders as (
    select customer_id, min(order_date) as first_order_date
    from profiles.orders
    group by customer_id
),
seen as (
    select customer_id, known_date as seen_date
    from profiles.active_days
    union all
    select m.customer_id, e.engagement_date as seen_date
    from core.engagements as e
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
),
first_seen as (
    select customer_id, min(seen_date) as first_seen_date
    from seen
    group by customer_id
),
leads as (
    select
        c.customer_id,
        d.as_of_date,
        f.first_order_date,
        case
            when c.created_at is not null
                then cast(floor(date_diff('second', c.created_at, d.ends_at) / 86400.0) as bigint)
            else date_diff('day', s.first_seen_date, d.as_of_date)
        end as known_days
    from identity.customers as c
    cross join dates as d
    left join first_orders as f on c.customer_id = f.customer_id
    left join first_seen as s on c.customer_id = s.customer_id
    where f.first_order_date is null or f.first_order_date > d.as_of_date
),
-- Whatever the contacts and devices, a customer is active once a day.
activity as (
    select
        d.as_of_date,
        a.customer_id,
        date_diff('day', a.activity_date, d.as_of_date) as age_days,
        sum(a.viewed_count) as viewed_count,
        sum(a.added_count) as added_count,
        sum(a.checkout_count) as checkout_count
    from dates as d
    inner join profiles.active_days as a
        on a.known_date <= d.as_of_date and a.shared_date > d.as_of_date
    group by 1, 2, 3
),
browsed as (
    select
        as_of_date,
        customer_id,
        min(age_days) as last_seen_days,
        count(*) filter (where age_days < 30) as active_30d_days,
        sum(case when age_days < 7 then viewed_count end) as viewed_7d_count,
        sum(case when age_days < 30 then viewed_count end) as viewed_30d_count,
        sum(case when age_days < 30 then added_count end) as added_30d_count,
        sum(case when age_days < 30 then checkout_count end) as checkout_30d_count
    from activity
    group by as_of_date, customer_id
),
engaged as (
    select
        d.as_of_date,
        m.customer_id,
        count(*) filter (where e.engagement = 'opened') as opened_90d_count,
        count(*) filter (where e.engagement = 'clicked') as clicked_90d_count
    from dates as d
    inner join core.engagements as e
        on
            e.engagement_date <= d.as_of_date
            and date_diff('day', e.engagement_date, d.as_of_date) < 90
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
    group by d.as_of_date, m.customer_id
),
served as (
    select d.as_of_date, m.customer_id, count(*) as deal_count
    from dates as d
    inner join core.deals as e on e.created_at <= d.ends_at
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
    group by d.as_of_date, m.customer_id
)
select
    l.customer_id,
    l.as_of_date,
    l.known_days,
    b.last_seen_days,
    coalesce(b.active_30d_days, 0) as active_30d_days,
    cast(coalesce(b.viewed_7d_count, 0) as bigint) as viewed_7d_count,
    cast(coalesce(b.viewed_30d_count, 0) as bigint) as viewed_30d_count,
    cast(coalesce(b.added_30d_count, 0) as bigint) as added_30d_count,
    cast(coalesce(b.checkout_30d_count, 0) as bigint) as checkout_30d_count,
    coalesce(e.opened_90d_count, 0) as opened_90d_count,
    coalesce(e.clicked_90d_count, 0) as clicked_90d_count,
    coalesce(s.deal_count, 0) as deal_count,
    case
        when date_diff('day', l.as_of_date, k.as_of_date) >= 30
            then coalesce(date_diff('day', l.as_of_date, l.first_order_date) <= 30, false)
    end as is_positive
from leads as l
cross join clock as k
left join browsed as b on l.customer_id = b.customer_id and l.as_of_date = b.as_of_date
left join engaged as e on l.customer_id = e.customer_id and l.as_of_date = e.as_of_date
left join served as s on l.customer_id = s.customer_id and l.as_of_date = s.as_of_date
where l.known_days >= 0

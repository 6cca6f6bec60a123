-- One row is a customer and a day on which they did something on the site, and the days on which that was
-- known to be theirs: what is done on a device is known from the first time that they are signed in on
-- it, until another one is.
select
    o.customer_id,
    a.activity_date,
    greatest(a.activity_date, coalesce(o.first_seen_date, a.activity_date)) as known_date,
    coalesce(o.shared_date, date '9999-12-31') as shared_date,
    cast(sum(a.event_count) as bigint) as event_count,
    cast(sum(case when a.event = 'product_viewed' then a.event_count else 0 end) as bigint)
        as viewed_count,
    cast(sum(case when a.event = 'product_added' then a.event_count else 0 end) as bigint)
        as added_count,
    cast(sum(case when a.event = 'checkout_started' then a.event_count else 0 end) as bigint)
        as checkout_count
from profiles.daily_activity as a
inner join profiles.visitors as o on a.identifier = o.identifier
group by 1, 2, 3, 4

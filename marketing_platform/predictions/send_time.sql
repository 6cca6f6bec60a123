-- One row is a customer who opened or clicked a message, or visited the site, in the last year: the
-- hour and the weekday (both in UTC) at which they are most likely to take a message. An opened message
-- counts like five visits, and half of a moment is given to the hours beside it. To everybody's moments ten
-- of the shop's own pattern are added, so that who has done little is sent to when most people read.
with
moments as (
    select m.customer_id, e.occurred_at, 5.0 as weight
    from core.engagements as e
    cross join core.clock as k
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
    where
        e.engagement in ('opened', 'clicked')
        and e.occurred_at <= k.as_of
        and date_diff('day', e.engagement_date, k.as_of_date) < 365
    union all
    select m.customer_id, t.first_at as occurred_at, 1.0 as weight
    from profiles.daily_visits as t
    cross join core.clock as k
    inner join profiles.visitors as m on t.identifier = m.identifier
    where
        m.shared_date is null
        and t.activity_date <= k.as_of_date
        and date_diff('day', t.activity_date, k.as_of_date) < 365
),
known as (
    select
        customer_id,
        extract(hour from occurred_at) as hour_utc,
        extract(dayofweek from occurred_at) as weekday,
        weight
    from moments
),
spread as (
    select customer_id, hour_utc, 0.5 * weight as weight from known
    union all
    select customer_id, (hour_utc + 1) % 24 as hour_utc, 0.25 * weight as weight from known
    union all
    select customer_id, (hour_utc + 23) % 24 as hour_utc, 0.25 * weight as weight from known
),
total as (
    select sum(weight) as weight from known
),
shop_hours as (
    select s.hour_utc, sum(s.weight) / max(t.weight) as hour_share
    from spread as s
    cross join total as t
    group by s.hour_utc
),
shop_weekdays as (
    select n.weekday, sum(n.weight) / max(t.weight) as weekday_share
    from known as n
    cross join total as t
    group by n.weekday
),
-- An hour at which somebody did nothing can only win where the shop's pattern is highest.
hours as (
    select customer_id, hour_utc, weight from spread
    union all
    select p.customer_id, b.hour_utc, 0.0 as weight
    from (select distinct customer_id from known) as p
    cross join (select arg_max(hour_utc, hour_share) as hour_utc from shop_hours) as b
),
weekdays as (
    select customer_id, weekday, weight from known
    union all
    select p.customer_id, b.weekday, 0.0 as weight
    from (select distinct customer_id from known) as p
    cross join (select arg_max(weekday, weekday_share) as weekday from shop_weekdays) as b
),
hour_scores as (
    select h.customer_id, h.hour_utc, round(sum(h.weight) + 10 * max(s.hour_share), 6) as score
    from hours as h
    inner join shop_hours as s on h.hour_utc = s.hour_utc
    group by h.customer_id, h.hour_utc
),
weekday_scores as (
    select w.customer_id, w.weekday, round(sum(w.weight) + 10 * max(s.weekday_share), 6) as score
    from weekdays as w
    inner join shop_weekdays as s on w.weekday = s.weekday
    group by w.customer_id, w.weekday
),
best_hours as (
    -- Of equal hours the earlier one.
    select
        customer_id,
        hour_utc,
        score,
        row_number() over (partition by customer_id order by score desc, hour_utc asc) as place
    from hour_scores
),
best_weekdays as (
    select
        customer_id,
        weekday,
        row_number() over (partition by customer_id order by score desc, weekday asc) as place
    from weekday_scores
),
evidence as (
    select customer_id, sum(weight) as weight, count(*) as moment_count
    from known
    group by customer_id
)
select
    e.customer_id,
    k.as_of_date,
    cast(h.hour_utc as bigint) as hour_utc,
    case w.weekday
        when 0 then 'sunday'
        when 1 then 'monday'
        when 2 then 'tuesday'
        when 3 then 'wednesday'
        when 4 then 'thursday'
        when 5 then 'friday'
        else 'saturday'
    end as weekday,
    e.moment_count,
    least(cast(h.score as double) / (e.weight + 10), 1.0) as hour_share,
    concat(
        cast(e.moment_count as varchar),
        ' opened messages and visits; ',
        cast(cast(round(least(h.score / (e.weight + 10), 1.0) * 100) as bigint) as varchar),
        ' of 100 within about an hour of it'
    ) as reason
from evidence as e
cross join core.clock as k
inner join best_hours as h on e.customer_id = h.customer_id and h.place = 1
inner join best_weekdays as w on e.customer_id = w.customer_id and w.place = 1

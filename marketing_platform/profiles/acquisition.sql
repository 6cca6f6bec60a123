-- One row is a customer seen on the site: where the first and the last visit came from, up to the
-- clock. A visit in which no event tells a campaign is direct.
with
owners as (
    select contact_id as identifier, customer_id from identity.contact_customers
    union all
    select identifier, customer_id from profiles.visitors
),
touches as (
    select
        m.customer_id,
        t.*,
        concat(cast(t.first_at as varchar), t.identifier) as first_standing,
        concat(cast(t.last_at as varchar), t.identifier) as last_standing
    from profiles.daily_visits as t
    cross join core.clock as k
    inner join owners as m on t.identifier = m.identifier
    where t.activity_date <= k.as_of_date
),
first_and_last as (
    select
        customer_id,
        min(first_at) as first_touch_at,
        arg_min(first_source, first_standing) as first_touch_source,
        arg_min(first_medium, first_standing) as first_touch_medium,
        arg_min(first_campaign, first_standing) as first_touch_campaign,
        arg_max(last_source, last_standing) as last_touch_source,
        arg_max(last_medium, last_standing) as last_touch_medium,
        arg_max(last_campaign, last_standing) as last_touch_campaign
    from touches
    group by customer_id
),
spent as (
    select a.campaign_name, sum(a.cost_reporting_amount) as cost
    from core.ad_performance as a
    cross join core.clock as k
    where a.performance_date <= k.as_of_date
    group by a.campaign_name
),
won as (
    select first_touch_campaign, count(*) as customer_count
    from first_and_last
    where first_touch_campaign <> ''
    group by first_touch_campaign
)
select
    f.customer_id,
    -- First visit that is known.
    f.first_touch_at,
    -- Where the first visit came from (utm_source).
    f.first_touch_source,
    -- By what means (utm_medium).
    f.first_touch_medium,
    -- Through which campaign (utm_campaign).
    nullif(f.first_touch_campaign, '') as first_touch_campaign,
    -- Where the last visit came from.
    f.last_touch_source,
    -- By what means.
    f.last_touch_medium,
    -- Through which campaign.
    nullif(f.last_touch_campaign, '') as last_touch_campaign,
    -- Cost of the first campaign, where an ad platform tells it, shared among all whom it brought.
    cast(cast(s.cost as double) / w.customer_count as decimal(18, 2)) as acquisition_cost_amount
from first_and_last as f
left join won as w on f.first_touch_campaign = w.first_touch_campaign
left join spent as s on f.first_touch_campaign = s.campaign_name

-- One row is a customer seen on the site: where the first and the last visit came from, up to the
-- clock. A visit without a campaign is direct.
with
owners as (
    select contact_id as identifier, customer_id from identity.contact_customers
    union all
    select identifier, customer_id from profiles.visitors
),
touches as (
    select
        m.customer_id,
        concat(cast(e.occurred_at as varchar), e.event_id) as standing,
        e.occurred_at,
        e.utm_source,
        e.utm_medium,
        e.utm_campaign
    from core.events as e
    cross join core.clock as k
    inner join owners as m
        on coalesce(e.contact_id, concat('anonymous:', e.source, ':', e.anonymous_id))
        = m.identifier
    where e.occurred_at <= k.as_of
),
first_and_last as (
    select
        customer_id,
        min(occurred_at) as first_touch_at,
        arg_min(coalesce(utm_source, '(direct)'), standing) as first_touch_source,
        arg_min(coalesce(utm_medium, '(none)'), standing) as first_touch_medium,
        arg_min(coalesce(utm_campaign, ''), standing) as first_touch_campaign,
        arg_max(coalesce(utm_source, '(direct)'), standing) as last_touch_source,
        arg_max(coalesce(utm_medium, '(none)'), standing) as last_touch_medium,
        arg_max(coalesce(utm_campaign, ''), standing) as last_touch_campaign
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

-- One row is a customer seen on the site, or of whose order the shop says where it came from: the first
-- and the last visit up to the clock. A visit in which no event tells a campaign is direct.
with
touches as (
    select
        m.customer_id,
        t.first_at,
        t.first_source,
        t.first_medium,
        t.first_campaign,
        t.last_source,
        t.last_medium,
        t.last_campaign,
        concat(cast(t.first_at as varchar), t.identifier) as first_standing,
        concat(cast(t.last_at as varchar), t.identifier) as last_standing
    from profiles.daily_visits as t
    cross join core.clock as k
    inner join profiles.visitors as m on t.identifier = m.identifier
    where t.activity_date <= k.as_of_date and m.shared_date is null
    union all
    select
        m.customer_id,
        o.ordered_at,
        coalesce(o.utm_source, '(direct)'),
        coalesce(o.utm_medium, '(none)'),
        coalesce(o.utm_campaign, ''),
        coalesce(o.utm_source, '(direct)'),
        coalesce(o.utm_medium, '(none)'),
        coalesce(o.utm_campaign, ''),
        concat(cast(o.ordered_at as varchar), o.order_id),
        concat(cast(o.ordered_at as varchar), o.order_id)
    from core.orders as o
    cross join core.clock as k
    inner join identity.contact_customers as m on o.contact_id = m.contact_id
    where
        o.ordered_at <= k.as_of
        and coalesce(o.utm_source, o.utm_medium, o.utm_campaign) is not null
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
advertised as (
    select
        split_part(a.campaign_id, ':', 2) as campaign_key,
        a.campaign_id,
        a.campaign_name,
        a.performance_date,
        a.cost_reporting_amount
    from core.ad_performance as a
    cross join core.clock as k
    where a.performance_date <= k.as_of_date and a.campaign_name is not null
),
-- A campaign may be given another name while it runs; it goes by its last one.
campaigns as (
    select
        campaign_id,
        arg_max(campaign_name, concat(cast(performance_date as varchar), campaign_name))
            as campaign_name
    from advertised
    group by campaign_id
),
-- What shops write into utm_campaign: a name, or the key that the ad platform fills in.
words as (
    select word, arg_max(campaign_name, concat(cast(last_date as varchar), campaign_name)) as campaign_name
    from (
        select a.campaign_name as word, c.campaign_name, max(a.performance_date) as last_date
        from advertised as a
        inner join campaigns as c on a.campaign_id = c.campaign_id
        group by a.campaign_name, c.campaign_name
        union all
        select a.campaign_key as word, c.campaign_name, max(a.performance_date) as last_date
        from advertised as a
        inner join campaigns as c on a.campaign_id = c.campaign_id
        group by a.campaign_key, c.campaign_name
    ) as told
    group by word
),
touched as (
    select
        f.*,
        coalesce(w.campaign_name, f.first_touch_campaign) as first_campaign_name,
        coalesce(v.campaign_name, f.last_touch_campaign) as last_campaign_name
    from first_and_last as f
    left join words as w on f.first_touch_campaign = w.word
    left join words as v on f.last_touch_campaign = v.word
),
spent as (
    select c.campaign_name, sum(a.cost_reporting_amount) as cost
    from advertised as a
    inner join campaigns as c on a.campaign_id = c.campaign_id
    group by c.campaign_name
),
won as (
    select first_campaign_name, count(*) as customer_count
    from touched
    where first_campaign_name <> ''
    group by first_campaign_name
)
select
    f.customer_id,
    -- First visit that is known.
    f.first_touch_at,
    -- Where the first visit came from (utm_source).
    f.first_touch_source,
    -- By what means (utm_medium).
    f.first_touch_medium,
    -- Through which campaign: the name of the ad campaign whose key or name utm_campaign is, else that.
    nullif(f.first_campaign_name, '') as first_touch_campaign,
    -- Where the last visit came from.
    f.last_touch_source,
    -- By what means.
    f.last_touch_medium,
    -- Through which campaign.
    nullif(f.last_campaign_name, '') as last_touch_campaign,
    -- Cost of the first campaign, where an ad platform tells it, shared among all whom it brought.
    cast(cast(s.cost as double) / w.customer_count as decimal(18, 2)) as acquisition_cost_amount
from touched as f
left join won as w on f.first_campaign_name = w.first_campaign_name
left join spent as s on f.first_campaign_name = s.campaign_name

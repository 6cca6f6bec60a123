-- One row is a metric of a slice of the business on a day: its amount and, where it is a ratio, what
-- it is a ratio of (`volume`). Days that are over at the clock; the slice `all` is everything.
with
days as (
    -- The last day that is over at the clock, and the first that is looked at.
    select
        cast(as_of - interval 86399 second as date) as last_date,
        cast(as_of - interval 400 day as date) as first_date,
        -- Conversions come in for some days after the click.
        cast(as_of - interval 4 day as date) as last_converted_date
    from core.clock
),
cuts as (
    select 'all' as slice_kind
    union all
    select 'source' as slice_kind
    union all
    select 'country' as slice_kind
    union all
    select 'platform' as slice_kind
    union all
    select 'campaign' as slice_kind
),
sold as (
    select
        c.slice_kind,
        case c.slice_kind
            when 'source' then o.source
            when 'country' then coalesce(o.country, 'unknown')
            else 'all'
        end as slice,
        o.order_date as series_date,
        count(*) as order_count,
        sum(o.gross_reporting_amount) as revenue_amount
    from core.orders as o
    cross join days as k
    cross join cuts as c
    where
        o.order_date between k.first_date and k.last_date
        and c.slice_kind in ('all', 'source', 'country')
    group by 1, 2, 3
),
advertised as (
    select
        c.slice_kind,
        case c.slice_kind
            when 'platform' then a.platform
            when 'campaign' then coalesce(a.campaign_name, a.campaign_id)
            else 'all'
        end as slice,
        a.performance_date as series_date,
        sum(a.cost_reporting_amount) as cost_amount,
        sum(a.click_count) as click_count,
        sum(a.impression_count) as impression_count,
        sum(a.conversion_value_reporting_amount) as value_amount
    from core.ad_performance as a
    cross join days as k
    cross join cuts as c
    where
        a.performance_date between k.first_date and k.last_date
        and c.slice_kind in ('all', 'platform', 'campaign')
    group by 1, 2, 3
),
mailed as (
    select
        e.channel as slice, e.engagement_date as series_date,
        count(distinct case when e.engagement in ('sent', 'delivered') then m.message_id end)
            as sent_count,
        count(distinct case when e.engagement = 'opened' then m.message_id end) as opened_count,
        count(distinct case when e.engagement = 'clicked' then m.message_id end) as clicked_count,
        count(distinct case when e.engagement = 'bounced' then m.message_id end) as bounced_count,
        count(distinct case when e.engagement = 'complained' then m.message_id end)
            as complained_count,
        count(
            distinct case when e.engagement in ('unsubscribed', 'replied_stop') then m.message_id end
        ) as unsubscribed_count
    from core.engagements as e
    inner join (
        select engagement_id, coalesce(source_message_id, engagement_id) as message_id
        from core.engagements
    ) as m on e.engagement_id = m.engagement_id
    cross join days as k
    where e.engagement_date between k.first_date and k.last_date
    group by 1, 2
),
-- Who became known seven days before, and how many of them have bought since.
cohorts as (
    select
        t.slice_kind,
        case t.slice_kind
            when 'country' then coalesce(c.country, 'unknown')
            when 'campaign' then a.first_touch_campaign
            else 'all'
        end as slice,
        cast(c.created_at + interval 7 day as date) as series_date,
        count(distinct c.customer_id) as customer_count,
        count(distinct o.customer_id) as buyer_count
    from identity.customers as c
    cross join cuts as t
    left join profiles.acquisition as a on c.customer_id = a.customer_id
    left join profiles.orders as o
        on
            c.customer_id = o.customer_id
            and o.ordered_at <= c.created_at + interval 7 day
    cross join days as k
    where
        cast(c.created_at + interval 7 day as date) between k.first_date and k.last_date
        and t.slice_kind in ('all', 'country', 'campaign')
    group by 1, 2, 3
),
told as (
    select 'orders' as metric, slice_kind, slice, series_date, cast(order_count as double) as amount,
        cast(null as double) as volume
    from sold
    union all
    select 'revenue', slice_kind, slice, series_date, cast(revenue_amount as double), null from sold
    union all
    select 'average_order_value', slice_kind, slice, series_date, cast(revenue_amount as double),
        cast(order_count as double)
    from sold
    union all
    select 'spend', slice_kind, slice, series_date, cast(cost_amount as double), null
    from advertised
    union all
    select 'cost_per_click', slice_kind, slice, series_date, cast(cost_amount as double),
        cast(click_count as double)
    from advertised
    union all
    select 'cost_per_mille', slice_kind, slice, series_date, cast(cost_amount as double) * 1000,
        cast(impression_count as double)
    from advertised
    union all
    select 'return_on_ad_spend', a.slice_kind, a.slice, a.series_date,
        cast(a.value_amount as double), cast(a.cost_amount as double)
    from advertised as a
    cross join days as k
    where a.series_date <= k.last_converted_date
    union all
    select 'sessions', 'channel', t.channel_group, t.traffic_date,
        cast(sum(t.session_count) as double), null
    from core.traffic as t
    cross join days as k
    where t.traffic_date between k.first_date and k.last_date
    group by t.channel_group, t.traffic_date
    union all
    select 'sessions', 'all', 'all', t.traffic_date, cast(sum(t.session_count) as double), null
    from core.traffic as t
    cross join days as k
    where t.traffic_date between k.first_date and k.last_date
    group by t.traffic_date
    union all
    select 'visits', 'all', 'all', v.activity_date, cast(sum(v.visit_count) as double), null
    from profiles.daily_visits as v
    cross join days as k
    where v.activity_date between k.first_date and k.last_date
    group by v.activity_date
    union all
    select 'sign_ups', 'source', c.source, cast(c.created_at as date), cast(count(*) as double), null
    from core.contacts as c
    cross join days as k
    where cast(c.created_at as date) between k.first_date and k.last_date
    group by c.source, cast(c.created_at as date)
    union all
    select 'conversion_7d', slice_kind, slice, series_date, cast(buyer_count as double),
        cast(customer_count as double)
    from cohorts
    union all
    select 'messages', 'channel', slice, series_date, cast(sent_count as double), null from mailed
    union all
    select 'open_rate', 'channel', slice, series_date, cast(opened_count as double),
        cast(sent_count as double)
    from mailed
    where slice = 'email'
    union all
    select 'click_rate', 'channel', slice, series_date, cast(clicked_count as double),
        cast(sent_count as double)
    from mailed
    union all
    select 'bounce_rate', 'channel', slice, series_date, cast(bounced_count as double),
        cast(sent_count as double)
    from mailed
    union all
    select 'complaint_rate', 'channel', slice, series_date, cast(complained_count as double),
        cast(sent_count as double)
    from mailed
    union all
    select 'unsubscribe_rate', 'channel', slice, series_date, cast(unsubscribed_count as double),
        cast(sent_count as double)
    from mailed
)
select metric, slice_kind, slice, series_date, amount, volume
from told
where amount is not null and slice is not null

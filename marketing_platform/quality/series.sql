-- One row is a metric of a slice of the business on a day: its amount and, where it is a ratio, what
-- it is a ratio of (`volume`), and of how many things it tells (`sample_size`). Days that are over at
-- the clock; the slice `all` is everything.
with
clock as (
    -- The last day that is over at the clock, in the shop's time zone as in UTC. A clock that was set to
    -- a day is its last moment.
    select
        as_of,
        least(
            cast(as_of - interval 86399 second as date),
            case
                when
                    as_of + interval 1 microsecond
                    = date_trunc('minute', as_of + interval 1 microsecond)
                    then as_of_date
                else cast(as_of_date - interval 1 day as date)
            end
        ) as last_date
    from core.clock
),
days as (
    -- The first day that is looked at, and the last.
    select
        cast(as_of - interval 400 day as date) as first_date,
        last_date,
        -- Conversions come in for some days after the click.
        cast(last_date - interval 3 day as date) as last_converted_date
    from clock
),
cuts as (
    select 'all' as slice_kind
    union all
    select 'source' as slice_kind
    union all
    select 'country' as slice_kind
    union all
    select 'channel' as slice_kind
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
        sum(coalesce(o.spent_reporting_amount, o.gross_reporting_amount)) as revenue_amount
    from core.orders as o
    cross join days as k
    cross join cuts as c
    where
        o.order_date between k.first_date and k.last_date
        and c.slice_kind in ('all', 'source', 'country')
    group by 1, 2, 3
),
-- Purchases of known customers, by whether it was their first, by the campaign that brought them, and
-- by the segments that they were in.
ranked as (
    select
        customer_id,
        ordered_at,
        order_date,
        spent_amount,
        row_number() over (partition by customer_id order by ordered_at, order_id) as place
    from profiles.orders
),
bought as (
    select
        'cohort' as slice_kind,
        case when r.place = 1 then 'first order' else 'repeat order' end as slice,
        r.order_date,
        r.spent_amount
    from ranked as r
    union all
    select 'campaign', a.first_touch_campaign, r.order_date, r.spent_amount
    from ranked as r
    inner join profiles.acquisition as a on r.customer_id = a.customer_id
    where a.first_touch_campaign is not null
    union all
    select 'segment', s.segment, r.order_date, r.spent_amount
    from ranked as r
    inner join segments.stays as s
        on
            r.customer_id = s.customer_id
            and r.ordered_at >= s.entered_at
            and (s.left_at is null or r.ordered_at < s.left_at)
),
sales as (
    select slice_kind, slice, series_date, order_count, revenue_amount from sold
    union all
    select
        b.slice_kind, b.slice, b.order_date as series_date, count(*) as order_count,
        sum(b.spent_amount) as revenue_amount
    from bought as b
    cross join days as k
    where b.order_date between k.first_date and k.last_date
    group by b.slice_kind, b.slice, b.order_date
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
        sum(a.conversions) as conversions,
        sum(a.conversion_value_reporting_amount) as value_amount
    from core.ad_performance as a
    cross join days as k
    cross join cuts as c
    where
        a.performance_date between k.first_date and k.last_date
        and c.slice_kind in ('all', 'platform', 'campaign')
    group by 1, 2, 3
),
visited as (
    select
        c.slice_kind,
        case c.slice_kind when 'channel' then t.channel_group else 'all' end as slice,
        t.traffic_date as series_date,
        sum(t.session_count) as session_count
    from core.traffic as t
    cross join days as k
    cross join cuts as c
    where
        t.traffic_date between k.first_date and k.last_date
        and c.slice_kind in ('all', 'channel')
    group by 1, 2, 3
),
told_of as (
    select
        e.channel,
        coalesce(e.campaign_name, e.source_campaign_id) as campaign,
        e.engagement,
        e.engagement_date,
        coalesce(e.source_message_id, e.engagement_id) as message_id
    from core.engagements as e
    cross join days as k
    where e.engagement_date between k.first_date and k.last_date
),
-- Flows that send all the time; a newsletter of one day has nothing to be compared with.
steady as (
    select campaign
    from told_of
    where campaign is not null and engagement in ('sent', 'delivered')
    group by campaign
    having count(distinct engagement_date) >= 28
),
mailings as (
    select 'channel' as slice_kind, t.channel as slice, t.* from told_of as t
    union all
    select 'campaign' as slice_kind, concat(t.campaign, ', ', t.channel) as slice, t.*
    from told_of as t
    inner join steady as s on t.campaign = s.campaign
),
mailed as (
    select
        slice_kind, slice, channel, engagement_date as series_date,
        count(distinct case when engagement in ('sent', 'delivered') then message_id end)
            as sent_count,
        count(distinct case when engagement = 'opened' then message_id end) as opened_count,
        count(distinct case when engagement = 'clicked' then message_id end) as clicked_count,
        count(distinct case when engagement = 'bounced' then message_id end) as bounced_count,
        count(distinct case when engagement = 'complained' then message_id end)
            as complained_count,
        count(
            distinct case when engagement in ('unsubscribed', 'replied_stop') then message_id end
        ) as unsubscribed_count
    from mailings
    group by slice_kind, slice, channel, engagement_date
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
    select 'orders' as metric, slice_kind, slice, series_date, order_count as amount,
        cast(null as double) as volume, order_count as sample_size
    from sales
    union all
    select 'revenue', slice_kind, slice, series_date, revenue_amount, null, order_count from sales
    union all
    select 'average_order_value', slice_kind, slice, series_date, revenue_amount, order_count,
        order_count
    from sales
    union all
    select 'spend', slice_kind, slice, series_date, cost_amount, null, click_count from advertised
    union all
    select 'cost_per_click', slice_kind, slice, series_date, cost_amount, click_count, click_count
    from advertised
    union all
    select 'cost_per_mille', slice_kind, slice, series_date, cost_amount * 1000, impression_count,
        click_count
    from advertised
    union all
    select 'return_on_ad_spend', a.slice_kind, a.slice, a.series_date, a.value_amount,
        a.cost_amount, a.conversions
    from advertised as a
    cross join days as k
    where a.series_date <= k.last_converted_date
    union all
    select 'sessions', slice_kind, slice, series_date, session_count, null, session_count
    from visited
    union all
    select 'visits', 'all', 'all', v.activity_date, sum(v.visit_count), null, sum(v.visit_count)
    from profiles.daily_visits as v
    cross join days as k
    where v.activity_date between k.first_date and k.last_date
    group by v.activity_date
    union all
    select 'sign_ups', 'source', c.source, cast(c.created_at as date), count(*), null, count(*)
    from core.contacts as c
    cross join days as k
    where cast(c.created_at as date) between k.first_date and k.last_date
    group by c.source, cast(c.created_at as date)
    union all
    select 'conversion_7d', slice_kind, slice, series_date, buyer_count, customer_count, buyer_count
    from cohorts
    union all
    select 'messages', slice_kind, slice, series_date, sent_count, null, sent_count from mailed
    union all
    select 'open_rate', slice_kind, slice, series_date, opened_count, sent_count, opened_count
    from mailed
    where channel = 'email'
    union all
    select 'click_rate', slice_kind, slice, series_date, clicked_count, sent_count, clicked_count
    from mailed
    union all
    select 'bounce_rate', slice_kind, slice, series_date, bounced_count, sent_count, bounced_count
    from mailed
    union all
    select 'complaint_rate', slice_kind, slice, series_date, complained_count, sent_count,
        complained_count
    from mailed
    union all
    select 'unsubscribe_rate', slice_kind, slice, series_date, unsubscribed_count, sent_count,
        unsubscribed_count
    from mailed
)
select
    metric,
    slice_kind,
    slice,
    series_date,
    cast(amount as double) as amount,
    cast(volume as double) as volume,
    cast(sample_size as double) as sample_size
from told
where amount is not null and slice is not null

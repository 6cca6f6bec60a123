-- One row is an event of the webhook. Who left all mails, or several groups, is not back by coming
-- back to one group. A mail that was dropped says what SendGrid knew of the address before.
with
told as (
    select
        *,
        lower(email) as address,
        case
            when event = 'unsubscribe' or (event = 'dropped' and group_id is null) then 'all'
            else coalesce(group_id, 'unknown')
        end as place,
        case
            when event in ('unsubscribe', 'group_unsubscribe') then true
            -- They had left, or complained, at a time that we may not know.
            when event = 'dropped' then
                case
                    when lower(reason) like '%unsubscribed address%' then true
                    when lower(reason) like '%spam reporting address%' then true
                end
            when event = 'group_resubscribe' then false
        end as is_leaving
    from raw.sendgrid_events
),
placed as (
    select
        *,
        coalesce(
            lag(is_leaving) over (
                partition by address, place, is_leaving is null order by occurred_at, is_leaving
            ),
            false
        ) as was_away
    from told
),
counted as (
    select
        *,
        -- The groups that the address is away from by then, and one more where it left all mails.
        sum(
            case
                when is_leaving and not was_away then 1
                when not is_leaving and was_away then -1
                else 0
            end
        ) over (partition by address order by occurred_at) as away_count
    from placed
),
named as (
    select
        *,
        case
            when event = 'processed' then 'sent'
            when event = 'delivered' then 'delivered'
            when event = 'open' and is_by_machine then 'machine_opened'
            when event = 'open' then 'opened'
            when event = 'click' then 'clicked'
            when event = 'bounce' then 'bounced'
            when event = 'dropped' and lower(reason) like '%unsubscribed address%' then 'unsubscribed'
            when event = 'dropped' and lower(reason) like '%spam reporting address%' then 'complained'
            when event = 'dropped' and lower(reason) in ('bounced address', 'invalid') then 'bounced'
            when event = 'dropped' then 'failed'
            when event = 'spamreport' then 'complained'
            when event in ('unsubscribe', 'group_unsubscribe') then 'unsubscribed'
            when event = 'group_resubscribe' and away_count = 0 then 'resubscribed'
        end as engagement
    from counted
)
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when event_id is null then 'no key'
        when occurred_at is null then 'no date'
        when email is null then 'nobody is named'
        when event = 'group_resubscribe' and away_count > 0 then 'came back to one group only'
        when engagement is null then concat('not about a message: ', coalesce(event, ''))
    end as quarantine_reason,
    event_id as source_engagement_id,
    'email' as channel,
    engagement,
    case
        when engagement <> 'bounced' or engagement is null then null
        when bounce_kind = 'blocked' then 'soft'
        else 'hard'
    end as bounce_type,
    occurred_at,
    engagement_date,
    email,
    message_id as source_message_id,
    campaign_id as source_campaign_id,
    campaign_name,
    url
from named

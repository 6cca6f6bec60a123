-- One row is an event of the webhook.
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
        when engagement is null then concat('not about a message: ', coalesce(event, ''))
        when email is null then 'nobody is named'
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
from (
    select
        *,
        case
            when event = 'processed' then 'sent'
            when event = 'delivered' then 'delivered'
            when event = 'open' and is_by_machine then 'machine_opened'
            when event = 'open' then 'opened'
            when event = 'click' then 'clicked'
            when event = 'bounce' then 'bounced'
            when event = 'dropped' then 'failed'
            when event = 'spamreport' then 'complained'
            when event in ('unsubscribe', 'group_unsubscribe') then 'unsubscribed'
            when event = 'group_resubscribe' then 'resubscribed'
        end as engagement
    from raw.sendgrid_events
) as named

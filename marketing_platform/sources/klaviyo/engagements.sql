-- One row is an event that tells what became of a message, or of the consent to messages.
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
        when engagement is null then concat('not about a message: ', coalesce(metric, ''))
        when coalesce(profile_id, email, phone) is null then 'nobody is named'
    end as quarantine_reason,
    event_id as source_engagement_id,
    channel,
    engagement,
    -- A bounce of a push message means that the device is gone.
    case
        when engagement <> 'bounced' or engagement is null then null
        when channel = 'push' or lower(bounce_type) like 'hard%' then 'hard'
        when lower(bounce_type) like 'soft%' then 'soft'
    end as bounce_type,
    occurred_at,
    engagement_date,
    profile_id as source_contact_id,
    email,
    phone,
    -- All who get a message at a time are told of under one key.
    coalesce(sending, message_id) || ':' || coalesce(profile_id, email, phone)
        as source_message_id,
    -- A campaign is known by its message only.
    coalesce(flow_id, message_id) as source_campaign_id,
    campaign_name,
    url
from (
    select
        *,
        case
            when metric like '%Email%' or metric = 'Unsubscribed' then 'email'
            when metric like '%SMS%' then 'sms'
            when metric like '%Push' then 'push'
        end as channel,
        case
            when metric in ('Received Email', 'Received SMS', 'Received Push') then 'delivered'
            when metric in ('Opened Email', 'Opened Push')
                then case when is_by_machine then 'machine_opened' else 'opened' end
            when metric in ('Clicked Email', 'Clicked SMS')
                then case when is_by_machine then 'machine_clicked' else 'clicked' end
            when metric in ('Bounced Email', 'Bounced Push') then 'bounced'
            when metric in ('Dropped Email', 'Failed to Deliver SMS') then 'failed'
            when metric = 'Marked Email as Spam' then 'complained'
            when
                metric in (
                    'Unsubscribed', 'Unsubscribed from Email Marketing', 'Unsubscribed from SMS',
                    'Unsubscribed from SMS Marketing'
                )
                then 'unsubscribed'
            when
                metric in (
                    'Subscribed to Email Marketing', 'Subscribed to SMS Marketing',
                    'Consented to Receive SMS'
                )
                then 'resubscribed'
        end as engagement
    from raw.klaviyo_events
) as named

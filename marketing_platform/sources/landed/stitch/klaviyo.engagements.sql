-- Something that became of a message. Each kind has a table of its own.
with
told as (
    select
        id, profile, event_properties, "datetime" as happened_at, 'delivered' as engagement,
        'email' as channel
    from receive
    union all
    select id, profile, event_properties, "datetime", 'opened', 'email' from open
    union all
    select id, profile, event_properties, "datetime", 'clicked', 'email' from click
    union all
    select id, profile, event_properties, "datetime", 'bounced', 'email' from bounce
    union all
    select id, profile, event_properties, "datetime", 'failed', 'email' from dropped_email
    union all
    select id, profile, event_properties, "datetime", 'complained', 'email' from mark_as_spam
    union all
    select id, profile, event_properties, "datetime", 'unsubscribed', 'email' from unsubscribe
    union all
    select id, profile, event_properties, "datetime", 'resubscribed', 'email'
    from subscribed_to_email
    union all
    select id, profile, event_properties, "datetime", 'unsubscribed', 'sms'
    from unsubscribed_from_sms
    union all
    select id, profile, event_properties, "datetime", 'resubscribed', 'sms'
    from subscribed_to_sms
    union all
    select id, profile, event_properties, "datetime", 'resubscribed', 'sms'
    from consented_to_receive
),
named as (
    select
        id, engagement, channel, happened_at, event_properties as properties,
        try_cast(profile as json[])[1] as person,
        -- By Apple's mail privacy, or a filter that tries links.
        engagement in ('opened', 'clicked') and coalesce(
            lower(
                coalesce(
                    event_properties ->> '$.machine_open',
                    event_properties ->> '$."Apple Privacy Open"',
                    event_properties ->> '$."Bot Click"'
                )
            ) = 'true',
            false
        ) as is_by_machine
    from told
)
select
    id as source_engagement_id,
    channel,
    case when is_by_machine then concat('machine_', engagement) else engagement end as engagement,
    case when engagement = 'bounced' then lower(properties ->> '$."Bounce Type"') end
        as bounce_type,
    happened_at as occurred_at,
    person ->> '$.id' as source_contact_id,
    -- As it was then; the profile has that of today.
    coalesce(properties ->> '$."Recipient Email Address"', person ->> '$.email') as email,
    person ->> '$.phone_number' as phone,
    -- All who get a message at a time are told of under one key.
    coalesce(
        properties ->> '$."$_cohort$message_send_cohort"', properties ->> '$."$message"'
    ) || ':' || (person ->> '$.id') as source_message_id,
    coalesce(properties ->> '$."$message"', properties ->> '$."$flow"') as source_campaign_id,
    properties ->> '$."Campaign Name"' as campaign_name,
    properties ->> '$.URL' as url
from named

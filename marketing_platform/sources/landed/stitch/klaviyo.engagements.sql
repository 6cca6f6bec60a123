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
),
named as (
    select
        id, engagement, channel, happened_at, event_properties as properties,
        try_cast(profile as json[])[1] as person
    from told
)
select
    id as source_engagement_id,
    channel,
    engagement,
    case when engagement = 'bounced' then lower(properties ->> '$."Bounce Type"') end
        as bounce_type,
    happened_at as occurred_at,
    person ->> '$.id' as source_contact_id,
    person ->> '$.email' as email,
    person ->> '$.phone_number' as phone,
    properties ->> '$."$message"' as source_message_id,
    coalesce(properties ->> '$."$message"', properties ->> '$."$flow"') as source_campaign_id,
    properties ->> '$."Campaign Name"' as campaign_name,
    properties ->> '$.URL' as url
from named

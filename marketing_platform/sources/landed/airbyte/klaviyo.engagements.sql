-- Something that became of a message; other events of Klaviyo are not read.
with
metrics_by_id as (
    select id, any_value(attributes ->> '$.name') as name from metrics group by id
),
people as (
    select
        id,
        any_value(attributes ->> '$.email') as email,
        any_value(attributes ->> '$.phone_number') as phone
    from profiles
    group by id
),
told as (
    select
        id,
        relationships ->> '$.metric.data.id' as metric_id,
        relationships ->> '$.profile.data.id' as profile_id,
        coalesce("datetime", attributes ->> '$.datetime') as happened_at,
        attributes -> '$.event_properties' as properties,
        -- By Apple's mail privacy, or a filter that tries links.
        lower(
            coalesce(
                attributes ->> '$.event_properties.machine_open',
                attributes ->> '$.event_properties."Apple Privacy Open"',
                attributes ->> '$.event_properties."Bot Click"'
            )
        ) = 'true' as is_by_machine
    from events
)
select
    t.id as source_engagement_id,
    case when m.name like '%SMS%' then 'sms' else 'email' end as channel,
    case
        when m.name in ('Received Email', 'Received SMS') then 'delivered'
        when m.name = 'Opened Email' and t.is_by_machine then 'machine_opened'
        when m.name = 'Opened Email' then 'opened'
        when m.name = 'Clicked Email' and t.is_by_machine then 'machine_clicked'
        when m.name in ('Clicked Email', 'Clicked SMS') then 'clicked'
        when m.name = 'Bounced Email' then 'bounced'
        when m.name in ('Dropped Email', 'Failed to Deliver SMS') then 'failed'
        when m.name = 'Marked Email as Spam' then 'complained'
        when m.name like 'Unsubscribed%' then 'unsubscribed'
        when m.name like 'Subscribed%' or m.name = 'Consented to Receive SMS' then 'resubscribed'
    end as engagement,
    case
        when m.name = 'Bounced Email' then lower(t.properties ->> '$."Bounce Type"')
    end as bounce_type,
    t.happened_at as occurred_at,
    t.profile_id as source_contact_id,
    -- As it was then; the profile has that of today.
    coalesce(t.properties ->> '$."Recipient Email Address"', p.email) as email,
    p.phone,
    -- All who get a message at a time are told of under one key.
    coalesce(
        t.properties ->> '$."$_cohort$message_send_cohort"', t.properties ->> '$."$message"'
    ) || ':' || t.profile_id as source_message_id,
    coalesce(t.properties ->> '$."$message"', t.properties ->> '$."$flow"') as source_campaign_id,
    t.properties ->> '$."Campaign Name"' as campaign_name,
    t.properties ->> '$.URL' as url
from told as t
left join metrics_by_id as m on t.metric_id = m.id
left join people as p on t.profile_id = p.id
where m.name in (
    'Received Email', 'Received SMS', 'Opened Email', 'Clicked Email', 'Clicked SMS',
    'Bounced Email', 'Failed to Deliver SMS', 'Dropped Email', 'Marked Email as Spam',
    'Unsubscribed', 'Unsubscribed from Email Marketing', 'Unsubscribed from SMS',
    'Unsubscribed from SMS Marketing', 'Subscribed to Email Marketing',
    'Subscribed to SMS Marketing', 'Consented to Receive SMS'
)

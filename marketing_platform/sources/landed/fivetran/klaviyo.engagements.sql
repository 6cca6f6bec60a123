-- Something that became of a message; other events of Klaviyo are not read.
with
named as (
    select
        e.id,
        e.person_id,
        coalesce(e.type, m.name) as metric,
        coalesce(e."datetime", e."timestamp") as happened_at,
        coalesce(e.flow_message_id, e.campaign_id) as message,
        coalesce(e.campaign_id, e.flow_id) as campaign,
        e.property_campaign_name,
        e.property_bounce_type,
        e.property_url,
        e.property_recipient_email_address,
        -- By Apple's mail privacy, or a filter that tries links.
        lower(
            coalesce(
                cast(e.property_machine_open as varchar),
                cast(e.property_apple_privacy_open as varchar),
                cast(e.property_bot_click as varchar)
            )
        ) = 'true' as is_by_machine
    from event as e
    left join metric as m on e.metric_id = m.id
    where not coalesce(cast(e._fivetran_deleted as boolean), false)
)
select
    n.id as source_engagement_id,
    case when n.metric like '%SMS%' then 'sms' else 'email' end as channel,
    case
        when n.metric in ('Received Email', 'Received SMS') then 'delivered'
        when n.metric = 'Opened Email' and n.is_by_machine then 'machine_opened'
        when n.metric = 'Opened Email' then 'opened'
        when n.metric = 'Clicked Email' and n.is_by_machine then 'machine_clicked'
        when n.metric in ('Clicked Email', 'Clicked SMS') then 'clicked'
        when n.metric = 'Bounced Email' then 'bounced'
        when n.metric in ('Dropped Email', 'Failed to Deliver SMS') then 'failed'
        when n.metric = 'Marked Email as Spam' then 'complained'
        when n.metric like 'Unsubscribed%' then 'unsubscribed'
        when n.metric like 'Subscribed%' or n.metric = 'Consented to Receive SMS' then 'resubscribed'
    end as engagement,
    case
        when n.metric = 'Bounced Email' then lower(n.property_bounce_type)
    end as bounce_type,
    n.happened_at as occurred_at,
    n.person_id as source_contact_id,
    -- As it was then; the person has that of today.
    coalesce(cast(n.property_recipient_email_address as varchar), p.email) as email,
    p.phone_number as phone,
    -- All who get a campaign's message are told of under one key.
    n.message || ':' || n.person_id as source_message_id,
    n.campaign as source_campaign_id,
    n.property_campaign_name as campaign_name,
    n.property_url as url
from named as n
left join person as p on n.person_id = p.id
where n.metric in (
    'Received Email', 'Received SMS', 'Opened Email', 'Clicked Email', 'Clicked SMS',
    'Bounced Email', 'Failed to Deliver SMS', 'Dropped Email', 'Marked Email as Spam',
    'Unsubscribed', 'Unsubscribed from Email Marketing', 'Unsubscribed from SMS',
    'Unsubscribed from SMS Marketing', 'Subscribed to Email Marketing',
    'Subscribed to SMS Marketing', 'Consented to Receive SMS'
)

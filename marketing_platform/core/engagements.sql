-- One row is something that happened to a message to a person: sent, opened, bounced, ...
select
    concat(source, ':', source_engagement_id) as engagement_id,
    source,
    contact_id,
    nullif(lower(trim(email)), '') as email,
    channel,
    engagement,
    bounce_type,
    occurred_at,
    engagement_date,
    source_message_id,
    source_campaign_id,
    campaign_name,
    url
from staging.engagements

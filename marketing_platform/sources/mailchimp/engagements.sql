-- One row is a person to whom a campaign was sent.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when campaign_id is null or email_id is null then 'no key'
        when sent_at is null then 'no date'
        when email is null then 'nobody is named'
    end as quarantine_reason,
    concat('sent/', record_key) as source_engagement_id,
    'email' as channel,
    'sent' as engagement,
    sent_at as occurred_at,
    sent_date as engagement_date,
    email,
    concat(campaign_id, ':', email_id) as source_message_id,
    campaign_id as source_campaign_id,
    campaign_name
from raw.mailchimp_email_activity

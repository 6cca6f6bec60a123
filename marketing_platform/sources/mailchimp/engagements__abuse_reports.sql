-- One row is a person who called a campaign's mail spam.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when report_id is null then 'no key'
        when occurred_at is null then 'no date'
        when email is null then 'nobody is named'
    end as quarantine_reason,
    concat('complained/', record_key) as source_engagement_id,
    'email' as channel,
    'complained' as engagement,
    occurred_at,
    engagement_date,
    email,
    concat(campaign_id, ':', email_id) as source_message_id,
    campaign_id as source_campaign_id
from raw.mailchimp_abuse_reports

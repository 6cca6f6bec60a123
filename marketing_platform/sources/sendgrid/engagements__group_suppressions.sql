-- One row is an address that left an unsubscribe group, and is in it no more.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when record_key is null then 'no key'
        when occurred_at is null then 'no date'
        when email is null then 'nobody is named'
    end as quarantine_reason,
    record_key as source_engagement_id,
    'email' as channel,
    'unsubscribed' as engagement,
    occurred_at,
    engagement_date,
    email
from raw.sendgrid_group_suppressions

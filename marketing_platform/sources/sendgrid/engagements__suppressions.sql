-- One row is an address that was put on a suppression list.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when occurred_at is null then 'no date'
        when email is null then 'nobody is named'
    end as quarantine_reason,
    record_key as source_engagement_id,
    'email' as channel,
    case list
        when 'spam_reports' then 'complained'
        when 'unsubscribes' then 'unsubscribed'
        else 'bounced'
    end as engagement,
    -- A blocked address is tried again; one that bounced or does not exist is not.
    case
        when list = 'blocks' then 'soft'
        when list in ('bounces', 'invalid_emails') then 'hard'
    end as bounce_type,
    occurred_at,
    engagement_date,
    email
from raw.sendgrid_suppressions

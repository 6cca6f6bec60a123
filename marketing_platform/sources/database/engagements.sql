-- One row is what became of a message, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_engagement_id is null then 'no key'
        when occurred_at is null then 'no date'
        when coalesce(source_contact_id, email, phone) is null then 'nobody is named'
        when
            lower(channel) not in ('email', 'sms', 'push', 'whatsapp', 'in_app')
            then 'not a channel that we know'
        when
            lower(engagement) not in (
                'sent', 'delivered', 'opened', 'clicked', 'machine_opened', 'machine_clicked',
                'bounced', 'complained', 'unsubscribed', 'resubscribed', 'replied_stop', 'failed'
            )
            then 'not an engagement that we know'
        when lower(bounce_type) not in ('hard', 'soft') then 'not a bounce type that we know'
    end as quarantine_reason,
    source_engagement_id,
    lower(channel) as channel,
    lower(engagement) as engagement,
    lower(bounce_type) as bounce_type,
    occurred_at,
    engagement_date,
    source_contact_id,
    email,
    phone,
    source_message_id,
    source_campaign_id,
    campaign_name,
    url
from raw.database_engagements

-- One row is one thing that became of a message to one person.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when message_id is null then 'no key'
        when channel is null then 'not a channel that we know'
        when engagement is null then 'not an engagement that we know'
        when occurred_at is null then 'no date'
        when coalesce(customer_id, email, recipient) is null then 'nobody is named'
    end as quarantine_reason,
    record_key as source_engagement_id,
    channel,
    engagement,
    occurred_at,
    engagement_date,
    customer_id as source_contact_id,
    case when channel = 'email' then coalesce(recipient, email) else email end as email,
    case when channel in ('sms', 'whatsapp') then recipient end as phone,
    message_id as source_message_id,
    campaign_id as source_campaign_id
from (
    select
        *,
        case metric
            when 'sent' then sent_at
            when 'delivered' then delivered_at
            when 'opened' then coalesce(human_opened_at, opened_at)
            when 'clicked' then coalesce(human_clicked_at, clicked_at)
            when 'bounced' then bounced_at
            when 'spammed' then spammed_at
            when 'unsubscribed' then unsubscribed_at
            when 'failed' then failed_at
            when 'undeliverable' then undeliverable_at
        end as occurred_at,
        case metric
            when 'sent' then sent_date
            when 'delivered' then delivered_date
            when 'opened' then coalesce(human_opened_date, opened_date)
            when 'clicked' then coalesce(human_clicked_date, clicked_date)
            when 'bounced' then bounced_date
            when 'spammed' then spammed_date
            when 'unsubscribed' then unsubscribed_date
            when 'failed' then failed_date
            when 'undeliverable' then undeliverable_date
        end as engagement_date,
        case
            when message_type in ('email', 'push', 'whatsapp', 'in_app') then message_type
            when message_type in ('twilio', 'sms') then 'sms'
        end as channel,
        case
            when metric = 'spammed' then 'complained'
            when metric = 'undeliverable' then 'failed'
            when
                metric = 'opened' and human_opened_at is null and prefetch_opened_at is not null
                then 'machine_opened'
            when
                metric = 'clicked' and human_clicked_at is null and machine_clicked_at is not null
                then 'machine_clicked'
            when
                metric in (
                    'sent', 'delivered', 'opened', 'clicked', 'bounced', 'unsubscribed', 'failed'
                )
                then metric
        end as engagement
    from raw.customer_io_messages
) as named

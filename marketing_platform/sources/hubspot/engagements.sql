-- One thing that became of an e-mail. Steps on the way that no recipient takes part in are held
-- back.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when occurred_at is null then 'no date'
    when email is null then 'no e-mail'
    when event_type in ('SENT', 'DELIVERED', 'OPEN', 'CLICK', 'BOUNCE', 'SPAMREPORT', 'DROPPED')
      then null
    when event_type = 'STATUSCHANGE'
      and subscription_status in ('SUBSCRIBED', 'UNSUBSCRIBED') then null
    else concat('no engagement: ', lower(coalesce(event_type, 'no type')))
  end as quarantine_reason,
  record_key as source_engagement_id,
  'email' as channel,
  case event_type
    when 'SENT' then 'sent'
    when 'DELIVERED' then 'delivered'
    when 'OPEN' then case when is_bot then 'machine_opened' else 'opened' end
    when 'CLICK' then case when is_bot then 'machine_clicked' else 'clicked' end
    when 'BOUNCE' then 'bounced'
    when 'SPAMREPORT' then 'complained'
    when 'DROPPED' then
      case
        -- They had left, or complained, at a time that we may not know.
        when drop_reason in ('PREVIOUSLY_UNSUBSCRIBED_PORTAL', 'PREVIOUS_SPAM') then 'unsubscribed'
        else 'failed'
      end
    when 'STATUSCHANGE' then
      case subscription_status
        when 'UNSUBSCRIBED' then 'unsubscribed'
        when 'SUBSCRIBED' then 'resubscribed'
      end
  end as engagement,
  case
    when event_type <> 'BOUNCE' then null
    -- By RFC 3463: a full mailbox, a mail server's trouble, what the mail holds, and policy (spam) say
    -- nothing of the address.
    when regexp_matches(smtp_status, '^(4|5[.](2[.][2-4]|[367][.]))') then 'soft'
    when smtp_status like '5%' then 'hard'
  end as bounce_type,
  occurred_at,
  engagement_date,
  email,
  coalesce(sent_id, case when event_type = 'SENT' then id end) as source_message_id,
  campaign_id as source_campaign_id,
  url
from raw.hubspot_email_events

-- One row is an open, a click or a bounce of a campaign's mail.
select
    record_id,
    parent_record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when campaign_id is null or email_id is null then 'no key'
        when engagement is null then concat('not about a message: ', coalesce(action, ''))
        when occurred_at is null then 'no date'
        when email is null then 'nobody is named'
    end as quarantine_reason,
    record_key as source_engagement_id,
    'email' as channel,
    engagement,
    case
        when engagement <> 'bounced' or engagement is null then null
        when lower(bounce_type) = 'hard' then 'hard'
        else 'soft'
    end as bounce_type,
    occurred_at,
    engagement_date,
    email,
    concat(campaign_id, ':', email_id) as source_message_id,
    campaign_id as source_campaign_id,
    campaign_name,
    url
from (
    select
        *,
        case action when 'open' then 'opened' when 'click' then 'clicked' when 'bounce' then 'bounced' end
            as engagement
    from raw.mailchimp_activity
) as named

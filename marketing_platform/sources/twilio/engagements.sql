-- One row is a version of a message: one sent and what became of it, or one received.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when message_id is null then 'no key'
        when occurred_at is null then 'no date'
        when person is null then 'nobody is named'
        when direction is null then 'no direction'
        when direction = 'inbound' and engagement is null then 'a reply that is no keyword'
        when engagement is null then concat('not sent: ', coalesce(status, ''))
        when person like '%:%' and not regexp_matches(person, '^(whatsapp|rcs):')
            then 'not a channel that we know'
    end as quarantine_reason,
    message_id as source_engagement_id,
    -- RCS is the text messages of newer phones: who leaves the one has left the other at Twilio.
    case when person like 'whatsapp:%' then 'whatsapp' else 'sms' end as channel,
    engagement,
    -- Numbers that do not exist, and landlines; all else may be reached another time.
    case
        when engagement <> 'bounced' or engagement is null then null
        when error_code in (30005, 30006) then 'hard'
        else 'soft'
    end as bounce_type,
    occurred_at,
    engagement_date,
    regexp_replace(person, '^(whatsapp|rcs):', '') as phone,
    message_id as source_message_id,
    service_id as source_campaign_id
from (
    select
        *,
        case
            when direction <> 'inbound' then
                case
                    when status = 'sent' then 'sent'
                    when status in ('delivered', 'partially_delivered') then 'delivered'
                    when status = 'read' then 'opened'
                    when status = 'undelivered' then 'bounced'
                    -- The person has left, by a word or at a time that we do not know.
                    when status = 'failed' and error_code = 21610 then 'unsubscribed'
                    when status = 'failed' then 'failed'
                end
            when
                letters in (
                    'STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'REVOKE', 'OPTOUT',
                    -- What people of other languages write, whether or not Twilio stops for it.
                    'STOPP', 'STOPPEN', 'ABMELDEN', 'ABBESTELLEN', 'ARRET', 'ARRÊT', 'ARRETT',
                    'ARRETE', 'ARRÊTE', 'ARRETER', 'ARRÊTER', 'DESABONNER', 'DÉSABONNER',
                    'BAJA', 'CANCELAR', 'PARAR', 'AFMELDEN', 'DISISCRIVIMI', 'CANCELLAMI', 'FERMA'
                )
                then 'replied_stop'
            when is_start then 'resubscribed'
        end as engagement
    from (
        select
            *,
            case when direction = 'inbound' then sender else recipient end as person,
            -- Who asks to be left alone is, with blanks or a hyphen too; to come back takes the word.
            direction = 'inbound'
            and regexp_matches(upper(body), '^[^A-Z0-9]*(START|UNSTOP)[^A-Z0-9]*$') as is_start,
            case when direction = 'inbound' then translate(upper(body), ' .,;:!?-"''“”’*', '') end
                as letters
        from raw.twilio_messages
    ) as told
) as named

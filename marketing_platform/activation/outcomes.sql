-- One row is a message that was sent to a person, and what came of it. What a source tells is of
-- this message where it names the key of the ledger's row, or the destination's own id of it; where
-- several messages have one id, as those of one call, it is of the one to the same customer.
with
told as (
    select
        m.customer_id,
        e.engagement,
        e.occurred_at,
        -- SendGrid adds where the message went through to the id that it gave for the call; some
        -- tell the id of a mail without its brackets.
        trim(regexp_replace(e.source_message_id, '[.](filter|recvd).*$', ''), '<>') as told_id
    from core.engagements as e
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
    where e.source_message_id is not null
),
ids as (
    select
        message_key,
        told_id,
        case when count(*) over (partition by told_id) > 1 then customer_id end as shared_by
    from (
        select message_key, customer_id, trim(vendor_id, '<>') as told_id
        from activation.deliveries
        where vendor_id is not null
        union
        select message_key, customer_id, message_key as told_id
        from activation.deliveries
    ) as known
),
heard as (
    select
        i.message_key,
        min(t.occurred_at) as first_told_at,
        min(
            case
                when t.engagement in ('sent', 'delivered', 'bounced', 'failed') then t.occurred_at
            end
        ) as carried_at,
        min(case when t.engagement = 'delivered' then t.occurred_at end) as delivered_at,
        min(case when t.engagement = 'opened' then t.occurred_at end) as opened_at,
        min(case when t.engagement = 'clicked' then t.occurred_at end) as clicked_at,
        min(case when t.engagement = 'bounced' then t.occurred_at end) as bounced_at,
        min(case when t.engagement = 'complained' then t.occurred_at end) as complained_at,
        min(
            case when t.engagement in ('unsubscribed', 'replied_stop') then t.occurred_at end
        ) as unsubscribed_at
    from ids as i
    inner join told as t
        on i.told_id = t.told_id and coalesce(i.shared_by, t.customer_id) = t.customer_id
    group by i.message_key
)
select
    d.message_key,
    d.destination,
    d.audience,
    d.customer_id,
    d.channel,
    d.sent_at,
    d.sent_date,
    h.first_told_at,
    h.carried_at,
    h.delivered_at,
    h.opened_at,
    h.clicked_at,
    h.bounced_at,
    h.complained_at,
    h.unsubscribed_at
from activation.deliveries as d
left join heard as h on d.message_key = h.message_key

-- One row is a customer who was ever sent a message: how they took it, up to the clock.
with
addresses as (
    select customer_id, 'email' as channel, lower(trim(email)) as address
    from identity.customers
    where email is not null
    union all
    select customer_id, 'sms' as channel, phone as address
    from identity.customers
    where phone is not null
),
known as (
    select
        m.customer_id,
        e.channel,
        e.engagement,
        e.bounce_type,
        e.occurred_at,
        e.engagement_date,
        coalesce(e.source_message_id, e.engagement_id) as message_id,
        date_diff('day', e.engagement_date, k.as_of_date) as days_ago,
        -- An address that was given up says nothing about the one that came after it.
        e.email is null or e.email = lower(trim(c.email)) as is_of_their_address
    from core.engagements as e
    cross join core.clock as k
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
    inner join identity.customers as c on m.customer_id = c.customer_id
    where e.occurred_at <= k.as_of
    union all
    -- Who is known by an address alone speaks for it: so for all who have it, be it a family's phone.
    select
        a.customer_id,
        e.channel,
        e.engagement,
        e.bounce_type,
        e.occurred_at,
        e.engagement_date,
        coalesce(e.source_message_id, e.engagement_id) as message_id,
        date_diff('day', e.engagement_date, k.as_of_date) as days_ago,
        true as is_of_their_address
    from core.engagements as e
    cross join core.clock as k
    inner join core.contacts as t on e.contact_id = t.contact_id
    inner join identity.contact_customers as m on e.contact_id = m.contact_id
    inner join addresses as a
        on
            e.channel = a.channel
            and case when e.channel = 'email' then t.email else t.phone end = a.address
            and m.customer_id <> a.customer_id
    where
        e.occurred_at <= k.as_of
        and e.engagement in (
            'bounced', 'complained', 'unsubscribed', 'replied_stop', 'resubscribed'
        )
        and (t.source_contact_id like 'email:%' or t.source_contact_id like 'phone:%')
),
-- Numbers for texts: the groups of a large shop's e-mails do not fit into memory, and DuckDB can put
-- groups aside whose keys are numbers.
numbers as (
    select customer_id, row_number() over (order by customer_id) as number
    from identity.customers
),
-- What became of each e-mail, once: one opened twice was opened.
messages as (
    select
        n.number,
        hash(e.message_id) as message,
        -- A flow may send a message again.
        coalesce(
            max(case when e.engagement in ('sent', 'delivered') then e.occurred_at end),
            min(e.occurred_at)
        ) as sent_at,
        bool_or(e.engagement in ('opened', 'clicked')) as is_opened,
        bool_or(e.engagement = 'clicked') as is_clicked
    from known as e
    inner join numbers as n on e.customer_id = n.customer_id
    where e.channel = 'email' and e.engagement in ('sent', 'delivered', 'opened', 'clicked')
    group by 1, 2
),
latest as (
    select
        *,
        row_number() over (partition by number order by sent_at desc, message desc) as place
    from messages
),
taken as (
    select
        n.customer_id,
        count(*) as email_last_10_count,
        count(*) filter (where l.is_opened) as email_opened_of_last_10_count,
        count(*) filter (where l.is_clicked) as email_clicked_of_last_10_count
    from latest as l
    inner join numbers as n on l.number = n.number
    where l.place <= 10
    group by n.customer_id
)
select
    e.customer_id,
    -- E-mails opened in the last 30 days.
    count(*) filter (where e.channel = 'email' and e.engagement = 'opened' and e.days_ago < 30)
        as email_opened_30d_count,
    -- E-mails opened in the last 90 days.
    count(*) filter (where e.channel = 'email' and e.engagement = 'opened' and e.days_ago < 90)
        as email_opened_90d_count,
    -- Clicks in e-mails in the last 30 days.
    count(*) filter (where e.channel = 'email' and e.engagement = 'clicked' and e.days_ago < 30)
        as email_clicked_30d_count,
    -- Clicks in e-mails in the last 90 days.
    count(*) filter (where e.channel = 'email' and e.engagement = 'clicked' and e.days_ago < 90)
        as email_clicked_90d_count,
    -- Clicks in text messages in the last 90 days.
    count(*) filter (where e.channel = 'sms' and e.engagement = 'clicked' and e.days_ago < 90)
        as sms_clicked_90d_count,
    -- Of the last 10 e-mails, how many were opened.
    coalesce(max(t.email_opened_of_last_10_count), 0) as email_opened_of_last_10_count,
    -- Share of the last 10 e-mails that was opened; null before the first.
    max(
        case
            when t.email_last_10_count > 0
                then
                    cast(t.email_opened_of_last_10_count as double)
                    / t.email_last_10_count
        end
    ) as email_open_share,
    -- Share of the last 10 e-mails in which something was clicked; null before the first.
    max(
        case
            when t.email_last_10_count > 0
                then
                    cast(t.email_clicked_of_last_10_count as double)
                    / t.email_last_10_count
        end
    ) as email_click_share,
    -- Last e-mail that was opened or clicked.
    max(e.occurred_at)
        filter (where e.channel = 'email' and e.engagement in ('opened', 'clicked'))
        as last_email_engaged_at,
    -- Last text message in which something was clicked.
    max(e.occurred_at) filter (where e.channel = 'sms' and e.engagement = 'clicked')
        as last_sms_engaged_at,
    -- Last message on any channel.
    max(e.occurred_at) filter (where e.engagement in ('sent', 'delivered'))
        as last_message_at,
    -- Days of the last 90 on which e-mails to this address bounced softly.
    count(distinct e.engagement_date) filter (
        where
            e.channel = 'email'
            and e.engagement = 'bounced'
            and coalesce(e.bounce_type, 'soft') = 'soft'
            and e.is_of_their_address
            and e.days_ago < 90
    ) as email_soft_bounced_90d_count,
    -- An e-mail to this address came back for good.
    coalesce(
        bool_or(
            e.channel = 'email'
            and e.engagement = 'bounced'
            and e.bounce_type = 'hard'
            and e.is_of_their_address
        ),
        false
    ) as has_email_bounced_hard,
    -- Called an e-mail spam.
    coalesce(bool_or(e.channel = 'email' and e.engagement = 'complained'), false)
        as has_email_complained,
    -- Left the e-mails, and has not come back since.
    coalesce(
        max(e.occurred_at) filter (where e.channel = 'email' and e.engagement = 'unsubscribed')
        >= coalesce(
            max(e.occurred_at)
                filter (where e.channel = 'email' and e.engagement = 'resubscribed'),
            timestamp '1970-01-01 00:00:00'
        ),
        false
    ) as has_email_unsubscribed,
    -- Answered a text message with STOP or left them, and has not come back since.
    coalesce(
        max(e.occurred_at)
            filter (where e.channel = 'sms' and e.engagement in ('unsubscribed', 'replied_stop'))
        >= coalesce(
            max(e.occurred_at) filter (where e.channel = 'sms' and e.engagement = 'resubscribed'),
            timestamp '1970-01-01 00:00:00'
        ),
        false
    ) as has_sms_unsubscribed,
    -- Messages on any channel today.
    count(distinct e.message_id)
        filter (where e.engagement in ('sent', 'delivered') and e.days_ago < 1)
        as message_1d_count,
    -- Messages on any channel in the last 7 days.
    count(distinct e.message_id)
        filter (where e.engagement in ('sent', 'delivered') and e.days_ago < 7)
        as message_7d_count
from known as e
left join taken as t on e.customer_id = t.customer_id
group by e.customer_id

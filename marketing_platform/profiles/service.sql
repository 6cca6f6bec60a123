-- One row is a customer of whom the CRM or the help desk knows, up to the clock.
with
deals as (
    select
        m.customer_id,
        arg_max(
            d.stage, concat(cast(coalesce(d.updated_at, d.created_at) as varchar), d.deal_id)
        ) as crm_stage,
        -- Some say only of those that were won that they are over.
        count(*) filter (where d.is_closed is not true and d.is_won is not true)
            as open_deal_count,
        sum(d.deal_reporting_amount) filter (where d.is_closed is not true and d.is_won is not true)
            as open_deal_amount
    from core.deals as d
    cross join core.clock as k
    inner join identity.contact_customers as m on d.contact_id = m.contact_id
    where d.created_at <= k.as_of
    group by m.customer_id
),
tickets as (
    select
        m.customer_id,
        -- Some say only that it is closed, some only when.
        count(*) filter (
            where not coalesce(t.is_closed, t.closed_at is not null) or t.closed_at > k.as_of
        ) as open_ticket_count,
        count(*) filter (where t.created_at > k.as_of - interval 90 day) as ticket_90d_count,
        max(t.created_at) as last_ticket_at
    from core.tickets as t
    cross join core.clock as k
    inner join identity.contact_customers as m on t.contact_id = m.contact_id
    where t.created_at <= k.as_of
    group by m.customer_id
)
select
    coalesce(d.customer_id, t.customer_id) as customer_id,
    -- Stage of the deal that changed last.
    d.crm_stage,
    -- Deals that are neither won nor lost.
    coalesce(d.open_deal_count, 0) as open_deal_count,
    -- Their value, in the shop's currency.
    cast(coalesce(d.open_deal_amount, 0) as decimal(18, 2)) as open_deal_amount,
    -- Tickets that nobody has closed.
    coalesce(t.open_ticket_count, 0) as open_ticket_count,
    -- Tickets of the last 90 days.
    coalesce(t.ticket_90d_count, 0) as ticket_90d_count,
    -- Last ticket.
    t.last_ticket_at
from deals as d
full outer join tickets as t on d.customer_id = t.customer_id

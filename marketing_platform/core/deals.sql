-- One row is a deal or an opportunity.
select
    concat(source, ':', source_deal_id) as deal_id,
    source,
    contact_id,
    source || ':' || source_account_id as account_id,
    source || ':' || source_owner_id as owner_id,
    title,
    stage,
    deal_amount,
    -- At the rate of the day on which it was made.
    cast(round(cast(deal_amount as double) * r.rate, 2) as decimal(18, 2))
        as deal_reporting_amount,
    d.currency,
    is_closed,
    is_won,
    close_date,
    created_at,
    updated_at
from staging.deals as d
left join core.exchange_rates as r
    on d.currency = r.currency and cast(d.created_at as date) = r.rate_date
where is_deleted is not true

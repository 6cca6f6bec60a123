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
    currency,
    is_closed,
    is_won,
    close_date,
    created_at,
    updated_at
from staging.deals
where is_deleted is not true

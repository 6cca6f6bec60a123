-- An opportunity.
select
    id as source_deal_id,
    account_id as source_account_id,
    owner_id as source_owner_id,
    name as title,
    stage_name as stage,
    amount as deal_amount,
    currency_iso_code as currency,
    cast(is_closed as boolean) as is_closed,
    cast(is_won as boolean) as is_won,
    cast(try_cast(close_date as timestamp) as date) as close_date,
    created_date as created_at,
    coalesce(system_modstamp, last_modified_date, _fivetran_synced) as updated_at,
    coalesce(cast(is_deleted as boolean), false) as is_deleted
from opportunity

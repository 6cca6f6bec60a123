-- One row is a company, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_account_id is null then 'no key'
    end as quarantine_reason,
    source_account_id,
    title,
    domain,
    industry,
    country,
    updated_at,
    is_deleted
from raw.database_accounts

-- One row is a deal, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_deal_id is null then 'no key'
        when
            abs(deal_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_deal_id,
    source_contact_id,
    source_account_id,
    source_owner_id,
    title,
    stage,
    cast(
        case when abs(deal_amount) < 100000000000000 then deal_amount end as decimal(18, 2)
    ) as deal_amount,
    upper(currency) as currency,
    is_closed,
    is_won,
    close_date,
    created_at,
    updated_at,
    is_deleted
from raw.database_deals

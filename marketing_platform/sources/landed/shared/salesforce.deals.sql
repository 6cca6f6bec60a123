-- An opportunity.
select
    id as source_deal_id,
    contactid as source_contact_id,
    accountid as source_account_id,
    ownerid as source_owner_id,
    name as title,
    stagename as stage,
    amount as deal_amount,
    currencyisocode as currency,
    try_cast(isclosed as boolean) as is_closed,
    try_cast(iswon as boolean) as is_won,
    cast(try_cast(closedate as timestamp) as date) as close_date,
    createddate as created_at,
    coalesce(systemmodstamp, lastmodifieddate) as updated_at,
    coalesce(try_cast(isdeleted as boolean), false) as is_deleted
from opportunity

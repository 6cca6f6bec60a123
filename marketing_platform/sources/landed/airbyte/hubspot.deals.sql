-- A deal, with one of its contacts.
select
    id as source_deal_id,
    try_cast(contacts as json[])[1] ->> '$' as source_contact_id,
    coalesce(properties_hubspot_owner_id, properties ->> '$.hubspot_owner_id') as source_owner_id,
    coalesce(properties_dealname, properties ->> '$.dealname') as title,
    coalesce(properties_dealstage, properties ->> '$.dealstage') as stage,
    coalesce(properties_amount, properties ->> '$.amount') as deal_amount,
    coalesce(properties_deal_currency_code, properties ->> '$.deal_currency_code') as currency,
    try_cast(coalesce(properties_hs_is_closed, properties ->> '$.hs_is_closed') as boolean)
        as is_closed,
    try_cast(coalesce(properties_hs_is_closed_won, properties ->> '$.hs_is_closed_won') as boolean)
        as is_won,
    cast(
        try_cast(coalesce(properties_closedate, properties ->> '$.closedate') as timestamptz)
        as date
    ) as close_date,
    createdat as created_at,
    updatedat as updated_at,
    coalesce(try_cast(archived as boolean), false) as is_deleted
from deals

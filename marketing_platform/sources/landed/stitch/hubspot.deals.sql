-- A deal, with one of its contacts.
select
    dealid as source_deal_id,
    coalesce(
        try_cast(associations__associatedvids as json[]),
        try_cast(associations ->> '$.associatedVids' as json[])
    )[1] ->> '$' as source_contact_id,
    coalesce(properties__hubspot_owner_id__value, property_hubspot_owner_id__value)
        as source_owner_id,
    coalesce(properties__dealname__value, property_dealname__value) as title,
    coalesce(properties__dealstage__value, property_dealstage__value) as stage,
    coalesce(properties__amount__value, property_amount__value) as deal_amount,
    coalesce(properties__deal_currency_code__value, property_deal_currency_code__value)
        as currency,
    try_cast(coalesce(properties__hs_is_closed__value, property_hs_is_closed__value) as boolean)
        as is_closed,
    try_cast(
        coalesce(properties__hs_is_closed_won__value, property_hs_is_closed_won__value) as boolean
    ) as is_won,
    cast(
        try_cast(
            coalesce(properties__closedate__value, property_closedate__value) as timestamptz
        ) as date
    ) as close_date,
    coalesce(properties__createdate__value, property_createdate__value) as created_at,
    coalesce(
        properties__hs_lastmodifieddate__value, property_hs_lastmodifieddate__value,
        _sdc_received_at
    ) as updated_at,
    coalesce(try_cast(isdeleted as boolean), false) as is_deleted
from deals

-- A deal, with one of its contacts.
with
people as (
    select deal_id, min(contact_id) as contact_id from deal_contact group by deal_id
)
select
    d.deal_id as source_deal_id,
    p.contact_id as source_contact_id,
    d.owner_id as source_owner_id,
    d.property_dealname as title,
    coalesce(s.label, d.deal_pipeline_stage_id) as stage,
    d.property_amount as deal_amount,
    d.property_deal_currency_code as currency,
    cast(s.is_closed as boolean) as is_closed,
    cast(s.closed_won as boolean) as is_won,
    cast(try_cast(d.property_closedate as timestamp) as date) as close_date,
    d.property_createdate as created_at,
    coalesce(d.property_hs_lastmodifieddate, d._fivetran_synced, d.property_createdate) as updated_at,
    coalesce(cast(d.is_deleted as boolean), false) as is_deleted
from deal as d
left join people as p on d.deal_id = p.deal_id
left join deal_pipeline_stage as s on d.deal_pipeline_stage_id = s.stage_id

-- One version of a deal. One that was merged into another is gone.
with
merged as (
  select distinct m.merged_id
  from raw.hubspot_deals as s
  cross join unnest(string_split(s.merged_ids, ';')) as m(merged_id)
  where m.merged_id <> s.id
)
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when created_at is null then 'no date'
    when abs(amount) >= 100000000000000 then 'amount out of range'
  end as quarantine_reason,
  id as source_deal_id,
  contact_id as source_contact_id,
  company_id as source_account_id,
  owner_id as source_owner_id,
  title, stage,
  cast(case when abs(amount) < 100000000000000 then amount end as decimal(18, 2)) as deal_amount,
  upper(currency) as currency,
  is_closed, is_won, close_date, created_at, updated_at,
  coalesce(is_archived, false) or merged_id is not null as is_deleted
from raw.hubspot_deals
left join merged on id = merged_id

-- One version of an account, a company.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when updated_at is null then 'no date'
  end as quarantine_reason,
  id as source_account_id,
  title,
  website as domain,
  industry, country, updated_at,
  coalesce(is_deleted, false) as is_deleted
from raw.salesforce_accounts

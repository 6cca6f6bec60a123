-- One version of a lead. One that was converted stays, beside the contact that it became.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when updated_at is null then 'no date'
  end as quarantine_reason,
  id as source_contact_id,
  email, phone, first_name, last_name, country, street, city, postcode, region,
  -- Who did not opt out has not thereby agreed.
  case when is_opted_out then false end as has_email_consent,
  created_at, updated_at,
  coalesce(is_deleted, false) as is_deleted
from raw.salesforce_leads

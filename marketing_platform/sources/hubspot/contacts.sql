-- One version of a contact. Who did not opt out has not thereby agreed: consent needs its legal
-- basis.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when created_at is null then 'no date'
  end as quarantine_reason,
  id as source_contact_id,
  email, phone, first_name, last_name, country, street, city, postcode, region,
  language,
  case
    when is_opted_out then false
    when lower(legal_basis) like '%consent%' then true
  end as has_email_consent,
  created_at, updated_at,
  coalesce(is_archived, false) as is_deleted
from raw.hubspot_contacts

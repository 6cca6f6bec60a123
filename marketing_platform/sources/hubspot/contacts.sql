-- One version of a contact. Who did not opt out has not thereby agreed: consent needs its legal
-- basis, and where it is to be confirmed by a click (double opt-in), the click. One that was merged away stays for what refers to it, with the address and the consent of the
-- contact that it became part of.
with
stays as (
  select
    m.merged_id, s.email, s.phone, s.legal_basis, s.confirmation, s.is_opted_out, s.is_archived,
    row_number() over (partition by m.merged_id order by s.updated_at desc) as place
  from raw.hubspot_contacts as s
  cross join unnest(string_split(s.merged_ids, ';')) as m(merged_id)
  where m.merged_id <> s.id
),
told as (
  select
    c.record_id, c.record_key, c.received_date, c.record_updated_at, c.received_at, c.unreadable,
    c.id, c.first_name, c.last_name, c.country, c.street, c.city, c.postcode, c.region, c.language,
    c.created_at, c.updated_at,
    case when s.merged_id is null then c.email else s.email end as email,
    case when s.merged_id is null then c.phone else s.phone end as phone,
    case when s.merged_id is null then c.legal_basis else s.legal_basis end as legal_basis,
    case when s.merged_id is null then c.confirmation else s.confirmation end as confirmation,
    case when s.merged_id is null then c.is_opted_out else s.is_opted_out end as is_opted_out,
    case when s.merged_id is null then c.is_archived else s.is_archived end as is_archived
  from raw.hubspot_contacts as c
  left join stays as s on c.id = s.merged_id and s.place = 1
)
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
    when regexp_matches(lower(confirmation), 'pending|e?mail.sent|awaiting|not.clicked') then null
    when lower(legal_basis) like '%consent%' then true
  end as has_email_consent,
  created_at, updated_at,
  coalesce(is_archived, false) as is_deleted
from told

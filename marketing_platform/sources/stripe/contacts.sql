-- One version of a customer. The name is one text: its first word counts as the given name.
select
  c.record_id, c.record_key, c.received_date, c.record_updated_at, c.received_at,
  case
    when c.unreadable is not null then concat('unreadable: ', c.unreadable)
    when c.id is null then 'no key'
    when c.created_at is null then 'no date'
  end as quarantine_reason,
  c.id as source_contact_id,
  c.email, c.phone,
  case
    when strpos(c.name, ' ') > 0 then substr(c.name, 1, strpos(c.name, ' ') - 1)
    else c.name
  end as first_name,
  case when strpos(c.name, ' ') > 0 then trim(substr(c.name, strpos(c.name, ' ') + 1)) end
    as last_name,
  c.country, c.street, c.city, c.postcode, c.region, c.language, c.created_at,
  c.record_updated_at as updated_at,
  -- Only the event tells of it: the customer in it looks as before.
  d.object_id is not null as is_deleted
from raw.stripe_customers as c
left join (
  select distinct object_id from raw.stripe_events where event_type = 'customer.deleted'
) as d on d.object_id = c.id

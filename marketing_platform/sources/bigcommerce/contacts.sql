-- One version of a customer with an account.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when customer_id is null then 'no key'
    when updated_at is null then 'no date'
  end as quarantine_reason,
  customer_id as source_contact_id,
  email, phone, first_name, last_name, country, street, city, postcode, region,
  created_at, updated_at
from raw.bigcommerce_customers

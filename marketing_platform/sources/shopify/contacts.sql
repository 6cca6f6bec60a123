-- One version of a customer.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when customer_id is null then 'no key'
    when updated_at is null then 'no date'
  end as quarantine_reason,
  replace(customer_id, 'gid://shopify/Customer/', '') as source_contact_id,
  email,
  coalesce(phone, address_phone) as phone,
  first_name, last_name, country, street, city, postcode, region,
  locale as language,
  -- Who never subscribed has not refused: it may have been agreed elsewhere.
  case
    when email_marketing_state is null then accepts_marketing
    else nullif(lower(email_marketing_state), 'not_subscribed') = 'subscribed'
  end as has_email_consent,
  nullif(lower(sms_marketing_state), 'not_subscribed') = 'subscribed' as has_sms_consent,
  created_at, updated_at
from raw.shopify_customers

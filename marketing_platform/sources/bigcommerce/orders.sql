-- One version of an order. Prices are with tax.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when order_id is null then 'no key'
    when created_at is null then 'no date'
    when status_id = 0 then 'not ordered yet'
    when subtotal is null or total is null then 'no amount'
    when subtotal < 0 or total < 0 then 'negative amount'
    when currency is null then 'no currency'
  end as quarantine_reason,
  order_id as source_order_id,
  -- A guest is customer 0.
  nullif(customer_id, '0') as source_contact_id,
  email, phone, first_name, last_name, street, city, postcode, region,
  created_at as ordered_at,
  created_date as order_date,
  -- Cancelled, declined.
  case when status_id in (5, 6) or is_deleted then 'cancelled' else 'placed' end as order_status,
  cast(subtotal as decimal(18, 2)) as gross_amount,
  cast(coalesce(discount, 0) + coalesce(coupon_discount, 0) as decimal(18, 2)) as discount_amount,
  cast(shipping as decimal(18, 2)) as shipping_amount,
  cast(tax as decimal(18, 2)) as tax_amount,
  cast(total as decimal(18, 2)) as total_amount,
  upper(currency) as currency,
  country,
  status as fulfilment_status,
  updated_at,
  is_deleted
from raw.bigcommerce_orders

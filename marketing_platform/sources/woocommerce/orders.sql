-- One version of an order. What its lines come to, they say themselves.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when order_id is null then 'no key'
    when created_at is null then 'no date'
    when total is null then 'no amount'
    when total < 0 then 'negative amount'
    when currency is null then 'no currency'
    when status in ('checkout-draft', 'auto-draft') then 'draft'
  end as quarantine_reason,
  order_id as source_order_id,
  -- A guest is customer 0.
  nullif(customer_id, '0') as source_contact_id,
  email, phone, first_name, last_name, street, city, postcode, region,
  created_at as ordered_at,
  created_date as order_date,
  -- One that waits for its payment was not placed yet; WooCommerce's own reports leave it out too.
  case when status in ('pending', 'cancelled', 'failed', 'trash') then 'cancelled' else 'placed' end
    as order_status,
  cast(discount_total as decimal(18, 2)) as discount_amount,
  cast(shipping_total as decimal(18, 2)) as shipping_amount,
  cast(total_tax as decimal(18, 2)) as tax_amount,
  cast(total as decimal(18, 2)) as total_amount,
  upper(currency) as currency,
  country,
  updated_at,
  status = 'trash' as is_deleted
from raw.woocommerce_orders

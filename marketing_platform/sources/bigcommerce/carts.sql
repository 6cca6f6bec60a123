-- One version of a checkout that was begun and left; completed when an order of its key was placed.
select
  c.record_id, c.record_key, c.received_date, c.record_updated_at, c.received_at,
  case
    when c.unreadable is not null then concat('unreadable: ', c.unreadable)
    when c.order_id is null then 'no key'
    when c.created_at is null then 'no date'
    when c.subtotal is null then 'no amount'
    when c.subtotal < 0 then 'negative amount'
    when c.currency is null then 'no currency'
  end as quarantine_reason,
  c.order_id as source_cart_id,
  nullif(c.customer_id, '0') as source_contact_id,
  c.email, c.phone, c.created_at, c.cart_date, c.updated_at,
  o.completed_at,
  cast(c.subtotal as decimal(18, 2)) as cart_amount,
  upper(c.currency) as currency,
  l.item_count
from raw.bigcommerce_carts as c
left join (
  select parent_record_id, count(*) as item_count
  from raw.bigcommerce_cart_items
  group by parent_record_id
) as l on l.parent_record_id = c.record_id
left join (
  select order_id, min(updated_at) as completed_at
  from raw.bigcommerce_orders
  where status_id <> 0
  group by order_id
) as o on o.order_id = c.order_id

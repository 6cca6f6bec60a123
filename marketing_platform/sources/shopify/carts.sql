-- One version of a checkout that was begun and left; its value is before tax and shipping.
select
  c.record_id, c.record_key, c.received_date, c.record_updated_at, c.received_at,
  case
    when c.unreadable is not null then concat('unreadable: ', c.unreadable)
    when c.checkout_id is null then 'no key'
    when c.created_at is null then 'no date'
    when c.subtotal is null then 'no amount'
    when c.subtotal < 0 then 'negative amount'
    when c.currency is null then 'no currency'
  end as quarantine_reason,
  replace(c.checkout_id, 'gid://shopify/AbandonedCheckout/', '') as source_cart_id,
  replace(c.customer_id, 'gid://shopify/Customer/', '') as source_contact_id,
  c.email, c.phone, c.created_at, c.cart_date, c.updated_at, c.completed_at,
  cast(c.subtotal as decimal(18, 2)) as cart_amount,
  upper(c.currency) as currency,
  l.item_count,
  c.recovery_url
from raw.shopify_checkouts as c
left join (
  select parent_record_id, count(*) as item_count
  from raw.shopify_checkout_items
  group by parent_record_id
) as l on l.parent_record_id = c.record_id

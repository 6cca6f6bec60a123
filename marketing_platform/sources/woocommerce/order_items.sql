-- One line of a version of an order, before coupons and tax.
select
  record_id, parent_record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when line_id is null then 'no key'
    when ordered_at is null then 'no date'
    when subtotal is null then 'no amount'
    when subtotal < 0 then 'negative price'
    when quantity is null or quantity <= 0 then 'no quantity'
  end as quarantine_reason,
  line_id as source_order_item_id,
  order_id as source_order_id,
  order_date,
  nullif(product_id, '0') as source_product_id,
  sku,
  title as product_title,
  -- Some shops sell by the metre: what was begun of a piece counts as one.
  cast(ceil(quantity) as bigint) as quantity,
  cast(subtotal / nullif(quantity, 0) as decimal(18, 4)) as unit_price_amount,
  cast(subtotal as decimal(18, 2)) as line_amount,
  upper(currency) as currency
from raw.woocommerce_order_items

-- One product of a version of a checkout that was begun and left, with tax.
select
  record_id, parent_record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when line_id is null then 'no key'
    when price < 0 then 'negative price'
    when quantity is null or quantity <= 0 then 'no quantity'
  end as quarantine_reason,
  line_id as source_cart_item_id,
  order_id as source_cart_id,
  nullif(product_id, '0') as source_product_id,
  sku,
  title as product_title,
  quantity,
  cast(price as decimal(18, 4)) as unit_price_amount,
  upper(currency) as currency
from raw.bigcommerce_cart_items

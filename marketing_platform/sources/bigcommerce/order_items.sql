-- One product of a version of an order, with tax.
select
  record_id, parent_record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when line_id is null then 'no key'
    when ordered_at is null then 'no date'
    when amount is null then 'no amount'
    when amount < 0 or price < 0 then 'negative price'
    when quantity is null or quantity <= 0 then 'no quantity'
  end as quarantine_reason,
  line_id as source_order_item_id,
  order_id as source_order_id,
  order_date,
  nullif(product_id, '0') as source_product_id,
  sku,
  title as product_title,
  quantity,
  cast(price as decimal(18, 4)) as unit_price_amount,
  cast(amount as decimal(18, 2)) as line_amount,
  upper(currency) as currency
from raw.bigcommerce_order_items

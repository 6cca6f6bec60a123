-- One line of a version of an order, before all discounts and refunds.
select
  record_id, parent_record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when line_id is null then 'no key'
    when ordered_at is null then 'no date'
    when unit_price is null then 'no amount'
    when unit_price < 0 then 'negative price'
    when quantity is null or quantity <= 0 then 'no quantity'
  end as quarantine_reason,
  replace(line_id, 'gid://shopify/LineItem/', '') as source_order_item_id,
  replace(order_id, 'gid://shopify/Order/', '') as source_order_id,
  order_date,
  replace(product_id, 'gid://shopify/Product/', '') as source_product_id,
  sku,
  title as product_title,
  quantity,
  cast(unit_price as decimal(18, 4)) as unit_price_amount,
  cast(quantity * unit_price as decimal(18, 2)) as line_amount,
  upper(coalesce(currency, order_currency)) as currency
from raw.shopify_order_items

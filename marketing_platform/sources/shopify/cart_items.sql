-- One line of a version of a checkout.
select
  record_id, parent_record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when line_id is null then 'no key'
    when unit_price < 0 then 'negative price'
    when quantity is null or quantity <= 0 then 'no quantity'
  end as quarantine_reason,
  replace(line_id, 'gid://shopify/AbandonedCheckoutLineItem/', '') as source_cart_item_id,
  replace(checkout_id, 'gid://shopify/AbandonedCheckout/', '') as source_cart_id,
  replace(product_id, 'gid://shopify/Product/', '') as source_product_id,
  sku,
  title as product_title,
  quantity,
  cast(unit_price as decimal(18, 4)) as unit_price_amount,
  upper(coalesce(currency, checkout_currency)) as currency
from raw.shopify_checkout_items

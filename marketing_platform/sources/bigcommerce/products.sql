-- One version of a product.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when product_id is null then 'no key'
    when updated_at is null then 'no date'
    when price < 0 then 'negative price'
  end as quarantine_reason,
  product_id as source_product_id,
  sku, title,
  cast(price as decimal(18, 2)) as price_amount,
  case when coalesce(inventory_tracking, '') <> 'none' then inventory_quantity end
    as inventory_quantity,
  description, image_url, barcode,
  is_visible and coalesce(availability, '') <> 'disabled' as is_active,
  updated_at
from raw.bigcommerce_products

-- One version of a product; its variations are not read.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when product_id is null then 'no key'
    when updated_at is null then 'no date'
    when price < 0 then 'negative price'
  end as quarantine_reason,
  product_id as source_product_id,
  sku, title, category, brand,
  cast(price as decimal(18, 2)) as price_amount,
  -- Most shops count no pieces, and say by hand that there are none.
  case when stock_status = 'outofstock' then 0 else cast(ceil(inventory_quantity) as bigint) end
    as inventory_quantity,
  description, url, image_url, barcode,
  status = 'publish' and is_purchasable as is_active,
  updated_at,
  status = 'trash' as is_deleted
from raw.woocommerce_products

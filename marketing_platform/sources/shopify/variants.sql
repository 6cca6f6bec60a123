-- One version of a variant of a product.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when variant_id is null then 'no key'
    when updated_at is null then 'no date'
    when price < 0 then 'negative price'
  end as quarantine_reason,
  replace(variant_id, 'gid://shopify/ProductVariant/', '') as source_variant_id,
  replace(product_id, 'gid://shopify/Product/', '') as source_product_id,
  sku, title,
  cast(price as decimal(18, 2)) as price_amount,
  upper(currency) as currency,
  case when coalesce(tracks_inventory, true) then inventory_quantity end as inventory_quantity,
  barcode,
  updated_at
from raw.shopify_variants

-- One variant of a version of a product.
select
  record_id, parent_record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when variant_id is null then 'no key'
    when updated_at is null then 'no date'
    when price < 0 then 'negative price'
  end as quarantine_reason,
  variant_id as source_variant_id,
  product_id as source_product_id,
  sku, title,
  cast(price as decimal(18, 2)) as price_amount,
  -- Where the product's pieces are counted together, or none are, each variant has zero.
  case when coalesce(inventory_tracking, 'variant') = 'variant' then inventory_quantity end
    as inventory_quantity,
  barcode,
  updated_at
from raw.bigcommerce_variants

-- One version of a product, the last one where it was deleted.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when product_id is null then 'no key'
    when updated_at is null then 'no date'
    when price < 0 then 'negative price'
  end as quarantine_reason,
  replace(product_id, 'gid://shopify/Product/', '') as source_product_id,
  title, category, brand,
  cast(price as decimal(18, 2)) as price_amount,
  upper(currency) as currency,
  case when coalesce(tracks_inventory, true) then inventory_quantity end as inventory_quantity,
  case
    when deleted_at is not null then false
    when status is null then published_at is not null
    -- Whoever has the link can buy what is unlisted.
    else lower(status) in ('active', 'unlisted')
  end as is_active,
  description, url, image_url,
  updated_at,
  deleted_at is not null as is_deleted
from raw.shopify_products

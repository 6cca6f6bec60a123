-- One row is a variant of a product: a size, a colour.
select
    concat(source, ':', source_variant_id) as variant_id,
    source,
    source || ':' || source_product_id as product_id,
    sku,
    title,
    price_amount,
    currency,
    inventory_quantity,
    barcode
from staging.variants

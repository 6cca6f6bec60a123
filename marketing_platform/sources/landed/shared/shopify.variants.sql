-- A variant of a product.
select
    id as source_variant_id,
    product_id as source_product_id,
    sku,
    title,
    price as price_amount,
    inventory_quantity,
    updated_at
from product_variants

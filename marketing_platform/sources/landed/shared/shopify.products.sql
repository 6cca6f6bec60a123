-- A product, at the lowest price of its variants.
with
priced as (
    select
        cast(product_id as varchar) as product_id,
        min(try_cast(price as decimal(18, 2))) as price,
        sum(try_cast(inventory_quantity as bigint)) as inventory_quantity
    from product_variants
    group by 1
)
select
    p.id as source_product_id,
    p.title,
    nullif(p.product_type, '') as category,
    p.vendor as brand,
    v.price as price_amount,
    v.inventory_quantity,
    coalesce(lower(p.status) = 'active', p.published_at is not null) as is_active,
    p.updated_at,
    p.deleted_at is not null as is_deleted
from products as p
left join priced as v on cast(p.id as varchar) = v.product_id

-- A product, at the lowest price of its variants.
with
priced as (
    select
        product_id,
        min(cast(price as decimal(18, 2))) as price,
        sum(cast(inventory_quantity as bigint)) as inventory_quantity
    from product_variant
    group by product_id
)
select
    p.id as source_product_id,
    p.title,
    nullif(p.product_type, '') as category,
    p.vendor as brand,
    v.price as price_amount,
    v.inventory_quantity,
    p.published_at is not null as is_active,
    p.updated_at,
    coalesce(cast(p._fivetran_deleted as boolean), false) as is_deleted
from product as p
left join priced as v on p.id = v.product_id

-- One row is a name that means one product alone: its key at its source, its SKU, or that of a variant.
-- Events come of other systems than products do, and call them by one of these.
with
names as (
    select source_product_id as name, product_id from core.products
    union all
    select sku, product_id from core.products where sku is not null
    union all
    select v.sku, v.product_id
    from core.variants as v
    inner join core.products as p on v.product_id = p.product_id
    where v.sku is not null
)
select name, min(product_id) as product_id
from names
group by name
having count(distinct product_id) = 1

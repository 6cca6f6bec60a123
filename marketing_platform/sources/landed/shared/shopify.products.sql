-- A product, at the lowest price of its variants. Its page lies where the shop says that it is.
with
priced as (
    select
        cast(product_id as varchar) as product_id,
        min(try_cast(price as decimal(18, 2))) as price,
        sum(try_cast(inventory_quantity as bigint)) as inventory_quantity
    from product_variants
    group by 1
),
place as (
    select min(domain) as domain, min(currency) as currency from shop
)
select
    p.id as source_product_id,
    p.title,
    nullif(p.product_type, '') as category,
    p.vendor as brand,
    v.price as price_amount,
    s.currency,
    v.inventory_quantity,
    p.body_html as description,
    case
        when s.domain is not null and p.handle is not null
            then concat('https://', s.domain, '/products/', p.handle)
    end as url,
    coalesce(p.image ->> '$.src', p.image__src, p.images ->> '$[0].src') as image_url,
    coalesce(lower(p.status) in ('active', 'unlisted'), p.published_at is not null) as is_active,
    p.updated_at,
    p.deleted_at is not null as is_deleted
from products as p
cross join place as s
left join priced as v on cast(p.id as varchar) = v.product_id

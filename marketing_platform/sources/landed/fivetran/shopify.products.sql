-- A product, at the lowest price of its variants. Its page lies where the shop says that it is.
with
priced as (
    select
        product_id,
        min(cast(price as decimal(18, 2))) as price,
        sum(cast(inventory_quantity as bigint)) as inventory_quantity
    from product_variant
    group by product_id
),
place as (
    select min(domain) as domain, min(currency) as currency from shop
),
pictures as (
    select
        cast(m.product_id as varchar) as product_id,
        arg_min(i.image_url, m.media_id) as image_url
    from product_media as m
    inner join media_image as i on m.media_id = i.media_id
    group by 1
),
-- As connectors of before landed them.
older_pictures as (
    select
        cast(product_id as varchar) as product_id,
        arg_min(src, position) as image_url
    from product_image
    group by 1
)
select
    p.id as source_product_id,
    p.title,
    nullif(p.product_type, '') as category,
    p.vendor as brand,
    v.price as price_amount,
    s.currency,
    v.inventory_quantity,
    case
        when s.domain is not null and p.handle is not null
            then concat('https://', s.domain, '/products/', p.handle)
    end as url,
    coalesce(i.image_url, o.image_url) as image_url,
    coalesce(lower(p.status) in ('active', 'unlisted'), p.published_at is not null) as is_active,
    p.updated_at,
    coalesce(cast(p._fivetran_deleted as boolean), false) as is_deleted
from product as p
cross join place as s
left join priced as v on p.id = v.product_id
left join pictures as i on cast(p.id as varchar) = i.product_id
left join older_pictures as o on cast(p.id as varchar) = o.product_id

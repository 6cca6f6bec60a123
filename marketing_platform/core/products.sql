-- One row is a product: from the list of products, or known only by an order line.
with
sold as (
    select
        i.source,
        i.source_product_id,
        -- The value itself settles a tie, so that the order of the lines does not matter.
        arg_max(i.product_title, concat(cast(o.ordered_at as varchar), i.product_title))
            filter (where i.product_title is not null) as title,
        arg_max(
            i.unit_price_amount,
            concat(cast(o.ordered_at as varchar), cast(i.unit_price_amount as varchar))
        ) filter (where i.unit_price_amount > 0) as price,
        max(i.currency) as currency
    from staging.order_items as i
    inner join staging.orders as o
        on i.source = o.source and i.source_order_id = o.source_order_id
    where i.source_product_id is not null
    group by i.source, i.source_product_id
),
listed as (
    select * from staging.products where is_deleted is not true
),
deleted as (
    select source, source_product_id from staging.products where is_deleted
)
select
    coalesce(l.source, s.source) || ':' || coalesce(l.source_product_id, s.source_product_id)
        as product_id,
    coalesce(l.source, s.source) as source,
    coalesce(l.source_product_id, s.source_product_id) as source_product_id,
    l.sku,
    coalesce(l.title, s.title) as title,
    l.category,
    l.brand,
    cast(coalesce(l.price_amount, s.price) as decimal(18, 2)) as price_amount,
    coalesce(l.currency, s.currency) as currency,
    l.inventory_quantity,
    -- What was sold and is gone since is known, and cannot be bought.
    case when d.source_product_id is not null then false else l.is_active end as is_active,
    l.description,
    l.url,
    l.image_url,
    l.barcode
from listed as l
full outer join sold as s
    on l.source = s.source and l.source_product_id = s.source_product_id
left join deleted as d
    on
        coalesce(l.source, s.source) = d.source
        and coalesce(l.source_product_id, s.source_product_id) = d.source_product_id

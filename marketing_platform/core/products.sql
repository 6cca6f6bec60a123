-- One row is a product: from the list of products, or known only by an order line.
with
sold as (
    select
        source_product_id,
        -- The value itself settles a tie, so that the order of the lines does not matter.
        arg_max(product_title, concat(cast(ordered_at as varchar), product_title))
            filter (where product_title is not null) as title,
        arg_max(
            unit_price_amount,
            concat(cast(ordered_at as varchar), cast(unit_price_amount as varchar))
        ) filter (where unit_price_amount > 0) as price,
        max(currency) as currency
    from staging.files_orders
    where outcome = 'accepted' and line_status = 'sold' and source_product_id is not null
    group by source_product_id
),
listed as (
    select source_product_id, title, category, price_amount, currency
    from staging.files_products
    where outcome = 'accepted'
)
select
    'files:' || coalesce(l.source_product_id, s.source_product_id) as product_id,
    'files' as source,
    coalesce(l.source_product_id, s.source_product_id) as source_product_id,
    coalesce(l.title, s.title) as title,
    l.category,
    cast(coalesce(l.price_amount, s.price) as decimal(18, 2)) as price_amount,
    coalesce(l.currency, s.currency) as currency
from listed as l
full outer join sold as s on l.source_product_id = s.source_product_id

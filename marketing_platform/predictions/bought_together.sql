-- One row is a product and another one that is bought together with it, the ten that go with it most:
-- in how many orders both were, and how many times more often than by chance. Orders of more than 50
-- products are left out: they are stocktaking, not taste.
with
lines as (
    select i.order_id, i.product_id
    from core.order_items as i
    cross join core.clock as k
    where i.product_id is not null and i.quantity > 0 and i.order_date <= k.as_of_date
    group by i.order_id, i.product_id
),
sizes as (
    select order_id, count(*) as product_count
    from lines
    group by order_id
),
baskets as (
    select l.order_id, l.product_id
    from lines as l
    inner join sizes as s on l.order_id = s.order_id
    where s.product_count <= 50
),
sold as (
    select product_id, count(*) as order_count
    from baskets
    group by product_id
),
total as (
    select count(distinct order_id) as order_count from baskets
),
pairs as (
    select a.product_id, b.product_id as other_product_id, count(*) as order_count
    from baskets as a
    inner join baskets as b on a.order_id = b.order_id and a.product_id <> b.product_id
    group by 1, 2
    having count(*) >= 3
),
ranked as (
    select
        p.product_id,
        p.other_product_id,
        p.order_count,
        cast(p.order_count as double) / s.order_count as together_share,
        cast(p.order_count as double) * t.order_count / (s.order_count * o.order_count) as lift,
        -- As a cosine: neither the bestsellers alone, nor a pair that was bought three times.
        row_number() over (
            partition by p.product_id
            order by
                cast(p.order_count as double)
                / sqrt(cast(s.order_count * o.order_count as double)) desc,
                p.other_product_id asc
        ) as place
    from pairs as p
    inner join sold as s on p.product_id = s.product_id
    inner join sold as o on p.other_product_id = o.product_id
    cross join total as t
)
select product_id, other_product_id, place, order_count, together_share, lift
from ranked
where place <= 10

-- One row is a buyer: the category and the brand that they like best, and how price moves them. Shares are
-- of all that they bought, also of products of which no category or brand is known.
-- A purchase counts for half as much after 180 days.
with
lines as (
    select
        o.customer_id,
        p.category,
        p.brand,
        i.unit_price_amount,
        p.product_id,
        cast(greatest(i.line_reporting_amount, 0) as double)
        * power(0.5, cast(date_diff('day', o.order_date, k.as_of_date) as double) / 180) as weight
    from profiles.orders as o
    cross join core.clock as k
    inner join core.order_items as i on o.order_id = i.order_id
    left join core.products as p on i.product_id = p.product_id
),
priced as (
    select
        p.product_id,
        coalesce(p.category, '') as category,
        cast(p.price_amount as double) * coalesce(r.rate, 1) as price
    from core.products as p
    cross join core.clock as k
    left join core.exchange_rates as r on p.currency = r.currency and k.as_of_date = r.rate_date
    where p.price_amount > 0 and (p.currency is null or r.rate is not null)
),
-- Among the different prices: of ten that cost the same and one that costs less, the ten are the dearest.
-- Where all cost the same, nothing is cheap or dear.
places as (
    select
        category,
        price,
        cast(row_number() over (partition by category order by price) - 1 as double)
        / nullif(count(*) over (partition by category) - 1, 0) as price_rank
    from (select distinct category, price from priced) as different
),
prices as (
    select p.product_id, s.price_rank
    from priced as p
    inner join places as s on p.category = s.category and p.price = s.price
),
categories as (
    select
        customer_id,
        category,
        sum(weight) as weight,
        sum(sum(weight)) over (partition by customer_id) as total,
        row_number() over (
            partition by customer_id
            order by case when category is null then 1 else 0 end, sum(weight) desc, category asc
        ) as place
    from lines
    group by customer_id, category
),
brands as (
    select
        customer_id,
        brand,
        sum(weight) as weight,
        sum(sum(weight)) over (partition by customer_id) as total,
        row_number() over (
            partition by customer_id
            order by case when brand is null then 1 else 0 end, sum(weight) desc, brand asc
        ) as place
    from lines
    group by customer_id, brand
),
tiers as (
    select l.customer_id, avg(p.price_rank) as price_rank
    from lines as l
    inner join prices as p on l.product_id = p.product_id
    group by l.customer_id
)
select
    o.customer_id,
    -- Category with the largest part of what was spent, later purchases counting more.
    max(c.category) as top_category,
    -- Its share of what was spent.
    max(case when c.category is not null and c.total > 0 then c.weight / c.total end)
        as top_category_share,
    -- Brand with the largest part of what was spent, later purchases counting more.
    max(b.brand) as top_brand,
    -- Its share of what was spent.
    max(case when b.brand is not null and b.total > 0 then b.weight / b.total end) as top_brand_share,
    -- Mean place of what was bought among the prices of its category: 0 the cheapest, 1 the dearest.
    max(t.price_rank) as price_tier,
    -- How far price moves them: half the share of discounted purchases, half how cheap they buy.
    avg(cast(o.is_discounted as int)) * 0.5 + max(0.5 * (1 - coalesce(t.price_rank, 0.5)))
        as price_sensitivity
from profiles.orders as o
left join categories as c on o.customer_id = c.customer_id and c.place = 1
left join brands as b on o.customer_id = b.customer_id and b.place = 1
left join tiers as t on o.customer_id = t.customer_id
group by o.customer_id

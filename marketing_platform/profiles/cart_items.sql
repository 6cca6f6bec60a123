-- One row is a line of the open cart of a customer: the first was put into it first.
with
lines as (
    select
        c.customer_id,
        i.product_id,
        i.sku,
        i.product_title,
        i.quantity,
        i.unit_price_amount,
        i.currency,
        i.cart_item_id as standing
    from profiles.carts as c
    inner join core.cart_items as i on c.open_cart_id = i.cart_id
    union all
    select
        c.customer_id,
        s.product_id,
        p.sku,
        p.title as product_title,
        s.quantity,
        p.price_amount as unit_price_amount,
        p.currency,
        concat(cast(s.added_at as varchar), s.product_id) as standing
    from profiles.carts as c
    inner join profiles.site_carts as s on c.customer_id = s.customer_id
    left join core.products as p on s.product_id = p.product_id
    where c.open_cart_id is null
)
select
    customer_id,
    row_number() over (partition by customer_id order by standing) as place,
    product_id,
    sku,
    product_title,
    quantity,
    cast(unit_price_amount as decimal(18, 4)) as unit_price_amount,
    currency
from lines

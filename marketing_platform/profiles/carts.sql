-- One row is a customer with an open cart up to the clock: the latest that the shop knows of, and
-- that neither became an order nor was followed by one.
with
known as (
    select
        m.customer_id,
        c.*,
        k.as_of,
        row_number() over (
            partition by m.customer_id order by c.updated_at desc, c.cart_id desc
        ) as place
    from core.carts as c
    cross join core.clock as k
    inner join identity.contact_customers as m on c.contact_id = m.contact_id
    where
        c.created_at <= k.as_of
        and (c.completed_at is null or c.completed_at > k.as_of)
),
ordered as (
    select customer_id, max(ordered_at) as last_ordered_at
    from profiles.orders
    group by customer_id
)
select
    c.customer_id,
    -- When the open cart was begun.
    c.created_at as open_cart_at,
    -- Value of what is in it, in the shop's currency.
    c.cart_reporting_amount as open_cart_amount,
    -- Lines in it.
    c.item_count as open_cart_item_count,
    -- Where the buyer can go on.
    c.recovery_url as open_cart_url,
    -- Hours since it was begun.
    cast(date_diff('minute', c.created_at, c.as_of) as double) / 60 as open_cart_age_hours
from known as c
left join ordered as o on c.customer_id = o.customer_id
where
    c.place = 1
    and (o.last_ordered_at is null or o.last_ordered_at < c.created_at)

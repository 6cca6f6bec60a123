-- One row is a customer with an open cart up to the clock: the latest that the shop knows of, and
-- that neither became an order nor was followed by one; else what lies in the cart on the site.
with
ordered as (
    select customer_id, max(ordered_at) as last_ordered_at
    from profiles.orders
    group by customer_id
),
known as (
    select
        m.customer_id,
        c.*,
        row_number() over (
            partition by m.customer_id
            order by coalesce(c.updated_at, c.created_at) desc, c.cart_id desc
        ) as place
    from core.carts as c
    cross join core.clock as k
    inner join identity.contact_customers as m on c.contact_id = m.contact_id
    left join ordered as o on m.customer_id = o.customer_id
    where
        c.created_at <= k.as_of
        and (c.completed_at is null or c.completed_at > k.as_of)
        and (o.last_ordered_at is null or o.last_ordered_at < c.created_at)
),
of_shop as (
    select * from known where place = 1
),
of_site as (
    select
        s.customer_id,
        min(s.added_at) as added_at,
        count(*) as item_count,
        -- Of carts with a product whose price is not known, the value is not known either.
        case
            when count(p.price_amount * r.rate) = count(*)
                then cast(
                    round(sum(s.quantity * cast(p.price_amount as double) * r.rate), 2)
                    as decimal(18, 2)
                )
        end as amount
    from profiles.site_carts as s
    cross join core.clock as k
    left join core.products as p on s.product_id = p.product_id
    left join core.exchange_rates as r on p.currency = r.currency and k.as_of_date = r.rate_date
    group by s.customer_id
),
-- The shop's is the one that can be gone on with, unless it was left before the other was begun.
chosen as (
    select
        coalesce(c.customer_id, s.customer_id) as customer_id,
        s.customer_id is null
        or coalesce(s.added_at <= coalesce(c.updated_at, c.created_at), false) as is_of_shop,
        c.cart_id,
        c.created_at,
        c.cart_reporting_amount,
        c.item_count,
        c.recovery_url,
        s.added_at,
        s.amount as site_amount,
        s.item_count as site_item_count
    from of_shop as c
    full join of_site as s on c.customer_id = s.customer_id
),
open_carts as (
    select
        customer_id,
        case when is_of_shop then cart_id end as cart_id,
        case when is_of_shop then created_at else added_at end as begun_at,
        case when is_of_shop then cart_reporting_amount else site_amount end as amount,
        case when is_of_shop then item_count else site_item_count end as item_count,
        case when is_of_shop then recovery_url end as recovery_url
    from chosen
)
select
    c.customer_id,
    -- The shop's key of the open cart; null for what was put into it on the site.
    c.cart_id as open_cart_id,
    -- When the open cart was begun.
    c.begun_at as open_cart_at,
    -- Value of what is in it, in the shop's currency.
    c.amount as open_cart_amount,
    -- Lines in it.
    c.item_count as open_cart_item_count,
    -- Where the buyer can go on.
    c.recovery_url as open_cart_url,
    -- Hours since it was begun.
    cast(date_diff('minute', c.begun_at, k.as_of) as double) / 60 as open_cart_age_hours
from open_carts as c
cross join core.clock as k

-- One row is a product that a customer looked at in the 30 days up to the clock and has not bought since:
-- the ten that were looked at last.
with
viewed as (
    select
        v.customer_id,
        -- Who sends events calls products by the key of the shop, or by their SKU.
        coalesce(n.product_id, e.product_id) as product_id,
        max(e.occurred_at) as last_viewed_at,
        count(*) as view_count
    from core.events as e
    cross join core.clock as k
    inner join profiles.visitors as v
        on coalesce(e.contact_id, concat('anonymous:', e.source, ':', e.anonymous_id)) = v.identifier
    left join core.product_names as n on substr(e.product_id, length(e.source) + 2) = n.name
    where
        e.event = 'product_viewed'
        and e.product_id is not null
        and e.occurred_at <= k.as_of
        and date_diff('day', e.event_date, k.as_of_date) < 30
        and v.shared_date is null
    group by 1, 2
),
bought as (
    select o.customer_id, i.product_id, max(o.ordered_at) as last_ordered_at
    from profiles.orders as o
    inner join core.order_items as i on o.order_id = i.order_id
    group by o.customer_id, i.product_id
),
ranked as (
    select
        v.*,
        row_number() over (
            partition by v.customer_id order by v.last_viewed_at desc, v.product_id asc
        ) as place
    from viewed as v
    left join bought as b on v.customer_id = b.customer_id and v.product_id = b.product_id
    where b.last_ordered_at is null or b.last_ordered_at < v.last_viewed_at
)
select customer_id, place, product_id, last_viewed_at, view_count
from ranked
where place <= 10

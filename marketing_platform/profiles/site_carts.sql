-- One row is a product that a customer put into the cart on the site in the 30 days up to the clock, and
-- neither took out of it nor ordered anything since.
with
ordered as (
    select customer_id, max(ordered_at) as last_ordered_at
    from profiles.orders
    group by customer_id
),
done as (
    select
        v.customer_id,
        e.event,
        e.occurred_at,
        -- Who sends events calls products by the key of the shop, or by their SKU.
        coalesce(n.product_id, e.product_id) as product_id,
        max(case when e.event = 'order_completed' then e.occurred_at end)
            over (partition by v.customer_id) as last_completed_at
    from core.events as e
    cross join core.clock as k
    inner join profiles.visitors as v
        on coalesce(e.contact_id, concat('anonymous:', e.source, ':', e.anonymous_id)) = v.identifier
    left join core.product_names as n on substr(e.product_id, length(e.source) + 2) = n.name
    where
        e.event in ('product_added', 'product_removed', 'order_completed')
        and e.occurred_at <= k.as_of
        and date_diff('day', e.event_date, k.as_of_date) < 30
        and v.shared_date is null
)
select
    d.customer_id,
    d.product_id,
    min(case when d.event = 'product_added' then d.occurred_at end) as added_at,
    cast(sum(case when d.event = 'product_added' then 1 else -1 end) as bigint) as quantity
from done as d
left join ordered as o on d.customer_id = o.customer_id
where
    d.event in ('product_added', 'product_removed')
    and d.product_id is not null
    and (d.last_completed_at is null or d.occurred_at > d.last_completed_at)
    and (o.last_ordered_at is null or d.occurred_at > o.last_ordered_at)
group by d.customer_id, d.product_id
having sum(case when d.event = 'product_added' then 1 else -1 end) > 0

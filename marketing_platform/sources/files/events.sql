-- One row is an event as it came, typed, with its outcome. The name is put in snake case, and the
-- short names of some exports are those of the Segment e-commerce spec.
with
judged as (
    select
        *,
        translate(lower(trim(event)), ' -./:', '_____') as snake_name,
        case
            when unreadable is not null then concat('unreadable: ', unreadable)
            when nullif(trim(event), '') is null then 'no name of the event'
            when occurred_at is null then 'no date'
            when occurred_at < timestamp '1990-01-01' then 'date before 1990'
            when occurred_at > received_at + interval '1' day then 'date in the future'
            when coalesce(customer_id, anonymous_id, email) is null then 'nobody did it'
        end as reason
    from raw.files_events
),
ranked as (
    select
        *,
        row_number() over (
            partition by event_id, occurrence > 1 or reason is not null
            order by received_at desc, line_number desc
        ) as version
    from judged
)
select
    record_id,
    received_date,
    case
        when occurrence > 1 then 'duplicate'
        when reason is not null then 'quarantined'
        when event_id is not null and version > 1 then 'duplicate'
        else 'accepted'
    end as outcome,
    case when occurrence = 1 then reason end as quarantine_reason,
    event_id as source_event_id,
    case snake_name
        when 'view' then 'product_viewed'
        when 'view_item' then 'product_viewed'
        when 'cart' then 'product_added'
        when 'addtocart' then 'product_added'
        when 'add_to_cart' then 'product_added'
        when 'remove_from_cart' then 'product_removed'
        when 'view_cart' then 'cart_viewed'
        when 'begin_checkout' then 'checkout_started'
        when 'purchase' then 'order_completed'
        when 'transaction' then 'order_completed'
        when 'page_view' then 'page_viewed'
        when 'pageview' then 'page_viewed'
        when 'search' then 'products_searched'
        when 'view_search_results' then 'products_searched'
        else snake_name
    end as event,
    occurred_at,
    local_date as event_date,
    customer_id as source_contact_id,
    anonymous_id,
    email,
    product_id as source_product_id,
    order_id as source_order_id,
    device_type
from ranked

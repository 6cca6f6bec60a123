-- One row is a line of an order export as it came, typed, with its outcome. Exact repetitions and
-- older versions of a line are duplicates. A line that cannot be a sale, a return or a cancellation
-- is quarantined with the reason. Accepted, duplicate and quarantined add up to what arrived.
with
typed as (
    select
        record_id,
        received_date,
        occurrence,
        order_id as source_order_id,
        line_id,
        customer_id as source_contact_id,
        email,
        phone,
        ordered_at,
        local_date as order_date,
        product_id as source_product_id,
        product_title,
        coalesce(quantity, case when unit_price is null then 1 end) as quantity,
        coalesce(
            unit_price,
            case when quantity is null or quantity = 0 then amount else amount / quantity end
        ) as unit_price_amount,
        case
            when unit_price is not null then quantity * unit_price else amount
        end as line_amount,
        currency,
        country,
        lower(status) as status,
        unreadable,
        received_at,
        row_number() over (
            partition by order_id, line_id, occurrence order by received_at desc, line_number desc
        ) as version
    from raw.files_orders
),
judged as (
    select
        *,
        case
            when status in ('cancelled', 'canceled', 'voided', 'failed', 'unavailable')
                then 'cancelled'
            when line_amount < 0 and (quantity < 0 or unit_price_amount >= 0) then 'returned'
            when status in ('refunded', 'returned') then 'cancelled'
            else 'sold'
        end as line_status,
        occurrence > 1 or (line_id is not null and version > 1) as is_duplicate,
        case
            when unreadable is not null then concat('unreadable: ', unreadable)
            when ordered_at is null then 'no date'
            when ordered_at > received_at + interval '1' day then 'date in the future'
            when line_amount is null then 'no amount'
            when quantity < 0 and line_amount = 0 then 'negative quantity without a price'
            when unit_price_amount < 0 and quantity >= 0 then 'negative price'
            when source_order_id is null and source_contact_id is null and email is null
                then 'no order number and no buyer'
        end as reason
    from typed
)
select
    record_id,
    received_date,
    case
        when is_duplicate then 'duplicate'
        when reason is not null then 'quarantined'
        else 'accepted'
    end as outcome,
    case when not is_duplicate then reason end as quarantine_reason,
    coalesce(
        source_order_id,
        concat(coalesce(source_contact_id, lower(email)), '@', cast(order_date as varchar))
    ) as source_order_id,
    source_contact_id,
    email,
    phone,
    ordered_at,
    order_date,
    source_product_id,
    product_title,
    quantity,
    cast(unit_price_amount as decimal(18, 4)) as unit_price_amount,
    cast(line_amount as decimal(18, 2)) as line_amount,
    currency,
    country,
    line_status
from judged

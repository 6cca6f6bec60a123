-- One row is a line of an order export as it came, typed, with its outcome. Exact repetitions and
-- older versions of a line are duplicates. A line that cannot be a sale, a return or a cancellation
-- is quarantined with the reason, and replaces nothing. The three add up to what arrived.
with
typed as (
    select
        record_id,
        received_date,
        occurrence,
        order_id,
        line_id,
        customer_id,
        email,
        phone,
        ordered_at,
        local_date,
        product_id,
        product_title,
        -- An amount without a quantity is one piece, given back where it is negative.
        coalesce(quantity, case when amount < 0 then -1 when amount >= 0 then 1 end) as quantity,
        quantity is null as has_no_quantity,
        case
            when quantity is null then abs(amount)
            when unit_price is not null then unit_price
            when quantity = 0 then amount
            else amount / quantity
        end as unit_price_amount,
        coalesce(quantity * unit_price, amount) as line_amount,
        -- Amounts are what was paid; prices are those before a discount.
        case when quantity * unit_price is not null then abs(discount) end as discount_amount,
        abs(line_discount) as line_discount_amount,
        subtotal as subtotal_amount,
        abs(refunded_amount) as refunded_amount,
        cancelled_at,
        currency,
        country,
        first_name,
        last_name,
        street,
        city,
        postcode,
        region,
        utm_source,
        utm_medium,
        utm_campaign,
        -- WooCommerce's own words begin with `wc-`.
        regexp_replace(
            replace(lower(trim(status)), 'wc-pending', 'pending payment'), '^wc-', ''
        ) as status,
        unreadable,
        received_at,
        line_number
    from raw.files_orders
),
told as (
    select *, product_id is not null or product_title is not null as is_item from typed
),
summed as (
    select
        *,
        sum(case when is_item and occurrence = 1 then quantity end) over (partition by order_id)
            as items_quantity,
        sum(case when is_item and occurrence = 1 then line_amount end) over (partition by order_id)
            as items_amount
    from told
),
judged as (
    select
        *,
        case
            when
                order_id is not null
                and not is_item
                and (
                    (
                        quantity > 1
                        and quantity = items_quantity
                        and abs(unit_price_amount - items_amount) <= 0.05
                    )
                    or (has_no_quantity and abs(line_amount - items_amount) <= 0.05)
                )
                then 'total'
            when cancelled_at then 'cancelled'
            when
                status in (
                    'cancelled', 'canceled', 'cancelled by customer', 'canceled by customer',
                    'voided', 'void', 'failed', 'payment failed', 'payment error', 'unavailable',
                    'declined', 'denied', 'rejected', 'chargeback', 'expired', 'abandoned',
                    'deleted', 'trash', 'draft', 'auto-draft', 'checkout-draft', 'incomplete',
                    'pending payment', 'pending_payment',
                    'storniert', 'storno', 'abgebrochen', 'zahlungsfehler', 'annulé', 'annulée',
                    'erreur de paiement', 'cancelado', 'cancelada', 'error de pago', 'annullato',
                    'errore di pagamento', 'geannuleerd'
                )
                then 'cancelled'
            when line_amount < 0 and (quantity < 0 or unit_price_amount >= 0) then 'returned'
            when
                status in (
                    'refunded', 'fully refunded', 'returned', 'erstattet', 'retourniert', 'remboursé', 'reembolsado',
                    'rimborsato', 'terugbetaald'
                )
                then 'cancelled'
            else 'sold'
        end as line_status,
        case
            when unreadable is not null then concat('unreadable: ', unreadable)
            when ordered_at is null then 'no date'
            when ordered_at < timestamp '1990-01-01' then 'date before 1990'
            when ordered_at > received_at + interval '1' day then 'date in the future'
            when line_amount is null then 'no amount'
            when quantity < 0 and line_amount = 0 then 'negative quantity without a price'
            when unit_price_amount < 0 and quantity >= 0 then 'negative price'
            when order_id is null and customer_id is null and email is null
                then 'no order number and no buyer'
        end as reason
    from summed
),
ranked as (
    select
        *,
        row_number() over (
            partition by order_id, line_id, occurrence > 1 or reason is not null
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
        when line_id is not null and version > 1 then 'duplicate'
        else 'accepted'
    end as outcome,
    case when occurrence = 1 then reason end as quarantine_reason,
    coalesce(
        order_id, concat(coalesce(customer_id, lower(email)), '@', cast(local_date as varchar))
    ) as source_order_id,
    customer_id as source_contact_id,
    email,
    phone,
    ordered_at,
    local_date as order_date,
    product_id as source_product_id,
    product_title,
    quantity,
    cast(unit_price_amount as decimal(18, 4)) as unit_price_amount,
    cast(line_amount as decimal(18, 2)) as line_amount,
    cast(discount_amount as decimal(18, 2)) as discount_amount,
    cast(line_discount_amount as decimal(18, 2)) as line_discount_amount,
    cast(subtotal_amount as decimal(18, 2)) as subtotal_amount,
    cast(refunded_amount as decimal(18, 2)) as refunded_amount,
    currency,
    country,
    first_name,
    last_name,
    street,
    city,
    postcode,
    region,
    utm_source,
    utm_medium,
    utm_campaign,
    line_status
from ranked

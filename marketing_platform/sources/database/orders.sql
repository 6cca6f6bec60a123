-- One row is an order, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_order_id is null then 'no key'
        when ordered_at is null then 'no date'
        when coalesce(gross_amount, total_amount) is null then 'no amount'
        when coalesce(gross_amount, total_amount) < 0 then 'negative amount'
        when currency is null then 'no currency'
        when order_status is null then 'no order status'
        when
            lower(order_status) not in ('placed', 'cancelled')
            then 'not an order status that we know'
        when
            abs(gross_amount) >= 100000000000000
            or abs(discount_amount) >= 100000000000000
            or abs(shipping_amount) >= 100000000000000
            or abs(tax_amount) >= 100000000000000
            or abs(total_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_order_id,
    source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    street,
    city,
    postcode,
    region,
    ordered_at,
    order_date,
    lower(order_status) as order_status,
    cast(
        case when abs(gross_amount) < 100000000000000 then gross_amount end as decimal(18, 2)
    ) as gross_amount,
    cast(
        case when abs(discount_amount) < 100000000000000 then discount_amount end as decimal(18, 2)
    ) as discount_amount,
    cast(
        case when abs(shipping_amount) < 100000000000000 then shipping_amount end as decimal(18, 2)
    ) as shipping_amount,
    cast(
        case when abs(tax_amount) < 100000000000000 then tax_amount end as decimal(18, 2)
    ) as tax_amount,
    cast(
        case when abs(total_amount) < 100000000000000 then total_amount end as decimal(18, 2)
    ) as total_amount,
    upper(currency) as currency,
    country,
    discount_codes,
    fulfilment_status,
    utm_source,
    utm_medium,
    utm_campaign,
    updated_at,
    is_deleted
from raw.database_orders

-- One row is money given back, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_refund_id is null then 'no key'
        when refunded_at is null then 'no date'
        when refund_amount is null then 'no amount'
        when refund_amount < 0 then 'negative amount'
        when quantity < 0 then 'negative quantity'
        when currency is null then 'no currency'
        when
            abs(unit_price_amount) >= 100000000000000
            or abs(refund_amount) >= 100000000000000
            or abs(tax_amount) >= 100000000000000
            or abs(shipping_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_refund_id,
    source_order_id,
    source_order_item_id,
    source_contact_id,
    email,
    refunded_at,
    refund_date,
    source_product_id,
    quantity,
    cast(
        case when abs(unit_price_amount) < 100000000000000 then unit_price_amount end as decimal(18, 4)
    ) as unit_price_amount,
    cast(
        case when abs(refund_amount) < 100000000000000 then refund_amount end as decimal(18, 2)
    ) as refund_amount,
    cast(
        case when abs(tax_amount) < 100000000000000 then tax_amount end as decimal(18, 2)
    ) as tax_amount,
    cast(
        case when abs(shipping_amount) < 100000000000000 then shipping_amount end as decimal(18, 2)
    ) as shipping_amount,
    upper(currency) as currency
from raw.database_refunds

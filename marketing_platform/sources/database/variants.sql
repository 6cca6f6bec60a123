-- One row is a variant of a product, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_variant_id is null then 'no key'
        when price_amount < 0 then 'negative price'
        when
            abs(price_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_variant_id,
    source_product_id,
    sku,
    title,
    cast(
        case when abs(price_amount) < 100000000000000 then price_amount end as decimal(18, 2)
    ) as price_amount,
    upper(currency) as currency,
    inventory_quantity,
    barcode,
    updated_at
from raw.database_variants

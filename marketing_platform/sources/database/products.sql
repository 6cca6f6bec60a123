-- One row is a product, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_product_id is null then 'no key'
        when price_amount < 0 then 'negative price'
        when
            abs(price_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_product_id,
    sku,
    title,
    category,
    brand,
    cast(
        case when abs(price_amount) < 100000000000000 then price_amount end as decimal(18, 2)
    ) as price_amount,
    upper(currency) as currency,
    inventory_quantity,
    is_active,
    description,
    url,
    image_url,
    barcode,
    updated_at,
    is_deleted
from raw.database_products

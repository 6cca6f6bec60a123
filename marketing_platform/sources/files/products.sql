-- One row is a record of a product as it came, typed, with its outcome. Of several versions of one
-- product the latest that can be used is accepted and the others are duplicates.
with
judged as (
    select
        *,
        case
            when unreadable is not null then concat('unreadable: ', unreadable)
            when product_id is null then 'no key'
            when price < 0 then 'negative price'
        end as reason
    from raw.files_products
),
ranked as (
    select
        *,
        row_number() over (
            partition by product_id, occurrence > 1 or reason is not null
            -- Without a date of change it is of the moment when its export came.
            order by
                coalesce(updated_at, received_at) desc, received_at desc, line_number desc
        ) as version
    from judged
)
select
    record_id,
    received_date,
    case
        when occurrence > 1 then 'duplicate'
        when reason is not null then 'quarantined'
        when version > 1 then 'duplicate'
        else 'accepted'
    end as outcome,
    case when occurrence = 1 then reason end as quarantine_reason,
    product_id as source_product_id,
    title,
    category,
    cast(price as decimal(18, 2)) as price_amount,
    currency,
    url,
    image_url,
    barcode,
    updated_at
from ranked

-- One row is something that can be bought, as a product feed tells it: a variant, or a product that
-- has none. What a feed cannot do without is named in `left_out`.
with
offered as (
    select
        coalesce(v.variant_id, p.product_id) as offer_id,
        p.product_id,
        p.source,
        p.source_product_id,
        coalesce(v.sku, p.sku) as sku,
        case
            -- The only variant of a product is called so.
            when v.title is null or v.title = 'Default Title' then p.title
            else concat(p.title, ' - ', v.title)
        end as title,
        p.description,
        -- A path within the shop is no page that anybody else could open.
        case
            when p.url like '//%' then concat('https:', p.url)
            when regexp_matches(lower(p.url), '^https?://') then p.url
        end as url,
        case
            when p.image_url like '//%' then concat('https:', p.image_url)
            when regexp_matches(lower(p.image_url), '^https?://') then p.image_url
        end as image_url,
        coalesce(v.price_amount, p.price_amount) as price_amount,
        coalesce(v.currency, p.currency) as currency,
        coalesce(v.inventory_quantity, p.inventory_quantity, 1) > 0 as is_in_stock,
        p.brand,
        p.category,
        coalesce(v.barcode, p.barcode) as barcode,
        lpad(coalesce(v.barcode, p.barcode), 14, '0') as padded,
        coalesce(p.is_active, true) as is_active
    from core.products as p
    left join core.variants as v on p.product_id = v.product_id
),
weighed as (
    select
        *,
        -- The last digit of a GTIN makes this a multiple of ten.
        3 * (
            try_cast(substr(padded, 1, 1) as integer)
            + try_cast(substr(padded, 3, 1) as integer)
            + try_cast(substr(padded, 5, 1) as integer)
            + try_cast(substr(padded, 7, 1) as integer)
            + try_cast(substr(padded, 9, 1) as integer)
            + try_cast(substr(padded, 11, 1) as integer)
            + try_cast(substr(padded, 13, 1) as integer)
        )
        + try_cast(substr(padded, 2, 1) as integer)
        + try_cast(substr(padded, 4, 1) as integer)
        + try_cast(substr(padded, 6, 1) as integer)
        + try_cast(substr(padded, 8, 1) as integer)
        + try_cast(substr(padded, 10, 1) as integer)
        + try_cast(substr(padded, 12, 1) as integer)
        + try_cast(substr(padded, 14, 1) as integer) as weight
    from offered
)
select
    offer_id,
    product_id,
    source,
    source_product_id,
    sku,
    title,
    coalesce(nullif(trim(description), ''), title) as description,
    url,
    image_url,
    price_amount,
    currency,
    is_in_stock,
    brand,
    category,
    -- A GTIN has 8, 12, 13 or 14 digits, the last of which checks the others, and is none of those
    -- that shops and coupons give themselves; anything else would have the offer refused.
    case
        when
            regexp_matches(barcode, '^([0-9]{8}|[0-9]{12,14})$')
            and mod(weight, 10) = 0
            and not regexp_matches(substr(padded, 2), '^(2|02|04|05|98|99)')
            then barcode
    end as gtin,
    case
        when not is_active then 'not for sale'
        when coalesce(trim(title), '') = '' then 'no title'
        when coalesce(price_amount, 0) <= 0 then 'no price'
        when currency is null then 'no currency'
        when image_url is null then 'no picture'
    end as left_out
from weighed

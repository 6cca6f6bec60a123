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
        p.url,
        p.image_url,
        coalesce(v.price_amount, p.price_amount) as price_amount,
        coalesce(v.currency, p.currency) as currency,
        coalesce(v.inventory_quantity, p.inventory_quantity, 1) > 0 as is_in_stock,
        p.brand,
        p.category,
        coalesce(v.barcode, p.barcode) as barcode,
        coalesce(p.is_active, true) as is_active
    from core.products as p
    left join core.variants as v on p.product_id = v.product_id
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
    -- A GTIN has 8, 12, 13 or 14 digits; anything else would have the offer refused.
    case when regexp_matches(barcode, '^([0-9]{8}|[0-9]{12,14})$') then barcode end as gtin,
    case
        when not is_active then 'not for sale'
        when coalesce(trim(title), '') = '' then 'no title'
        when coalesce(price_amount, 0) <= 0 then 'no price'
        when currency is null then 'no currency'
        when image_url is null then 'no picture'
    end as left_out
from offered

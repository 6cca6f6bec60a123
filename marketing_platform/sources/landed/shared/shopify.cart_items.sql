-- A line of a checkout that was begun and left. It has no key of its own there.
with
lines as (
    select
        id as cart_id,
        coalesce(presentment_currency, currency) as currency,
        unnest(try_cast(line_items as json[])) as line,
        generate_subscripts(try_cast(line_items as json[]), 1) as place
    from abandoned_checkouts
)
select
    concat(cart_id, '/', place) as source_cart_item_id,
    cart_id as source_cart_id,
    line ->> '$.product_id' as source_product_id,
    line ->> '$.sku' as sku,
    coalesce(line ->> '$.title', line ->> '$.presentment_title') as product_title,
    line ->> '$.quantity' as quantity,
    line ->> '$.price' as unit_price_amount,
    currency
from lines

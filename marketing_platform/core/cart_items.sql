-- One row is a line of a cart or checkout.
select
    concat(i.source, ':', i.source_cart_item_id) as cart_item_id,
    c.cart_id,
    i.source || ':' || i.source_product_id as product_id,
    i.sku,
    i.product_title,
    coalesce(i.quantity, 1) as quantity,
    i.unit_price_amount,
    i.currency
from staging.cart_items as i
inner join core.carts as c on concat(i.source, ':', i.source_cart_id) = c.cart_id

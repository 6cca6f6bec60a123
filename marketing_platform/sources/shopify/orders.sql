-- One version of an order, in the shop's own currency, as it was before refunds. What its
-- lines come to is told by webhooks and the old REST API; else they say it themselves.
select
  o.record_id, o.record_key, o.received_date, o.record_updated_at, o.received_at,
  case
    when o.unreadable is not null then concat('unreadable: ', o.unreadable)
    when o.order_id is null then 'no key'
    when o.ordered_at is null then 'no date'
    when o.total_price is null then 'no amount'
    when o.total_price < 0 then 'negative amount'
    when o.currency is null then 'no currency'
    when o.is_test then 'test order'
  end as quarantine_reason,
  replace(o.order_id, 'gid://shopify/Order/', '') as source_order_id,
  replace(o.customer_id, 'gid://shopify/Customer/', '') as source_contact_id,
  o.email, o.phone, o.first_name, o.last_name, o.street, o.city, o.postcode, o.region,
  o.ordered_at, o.order_date,
  case when o.cancelled_at is not null then 'cancelled' else 'placed' end as order_status,
  cast(o.total_lines as decimal(18, 2)) as gross_amount,
  cast(o.total_discounts as decimal(18, 2)) as discount_amount,
  cast(o.total_shipping as decimal(18, 2)) as shipping_amount,
  cast(o.total_tax as decimal(18, 2)) as tax_amount,
  cast(o.total_price as decimal(18, 2)) as total_amount,
  upper(o.currency) as currency,
  o.country,
  d.discount_codes,
  o.fulfilment_status,
  o.updated_at
from raw.shopify_orders as o
left join (
  select parent_record_id, string_agg(code, ',' order by code nulls first) as discount_codes
  from raw.shopify_order_discounts
  where code is not null
  group by parent_record_id
) as d on d.parent_record_id = o.record_id

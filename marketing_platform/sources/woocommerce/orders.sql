-- One version of an order. What its lines come to, they say themselves.
select
  o.record_id, o.record_key, o.received_date, o.record_updated_at, o.received_at,
  case
    when o.unreadable is not null then concat('unreadable: ', o.unreadable)
    when o.order_id is null then 'no key'
    when o.created_at is null then 'no date'
    when o.total is null then 'no amount'
    when o.total < 0 then 'negative amount'
    when o.currency is null then 'no currency'
    when o.status in ('checkout-draft', 'auto-draft') then 'draft'
  end as quarantine_reason,
  o.order_id as source_order_id,
  -- A guest is customer 0.
  nullif(o.customer_id, '0') as source_contact_id,
  o.email, o.phone, o.first_name, o.last_name, o.street, o.city, o.postcode, o.region,
  o.created_at as ordered_at,
  o.created_date as order_date,
  -- One that waits for its payment was not placed yet; WooCommerce's own reports leave it out too.
  case when o.status in ('pending', 'cancelled', 'failed', 'trash') then 'cancelled' else 'placed' end
    as order_status,
  cast(o.discount_total as decimal(18, 2)) as discount_amount,
  cast(o.shipping_total as decimal(18, 2)) as shipping_amount,
  cast(o.total_tax as decimal(18, 2)) as tax_amount,
  cast(o.total as decimal(18, 2)) as total_amount,
  upper(o.currency) as currency,
  o.country,
  o.updated_at,
  o.status = 'trash' as is_deleted,
  a.utm_source, a.utm_medium, a.utm_campaign
from raw.woocommerce_orders as o
-- What the shop itself ascribes the order to, where that is switched on.
left join (
  select
    parent_record_id,
    max(case when key = '_wc_order_attribution_utm_source' then nullif(value, '') end)
      as utm_source,
    max(case when key = '_wc_order_attribution_utm_medium' then nullif(value, '') end)
      as utm_medium,
    max(case when key = '_wc_order_attribution_utm_campaign' then nullif(value, '') end)
      as utm_campaign
  from raw.woocommerce_order_meta
  where key like '_wc_order_attribution%'
  group by parent_record_id
) as a on a.parent_record_id = o.record_id

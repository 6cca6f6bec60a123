-- One version of an order.
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
  o.email, o.phone,
  o.created_at as ordered_at,
  o.created_date as order_date,
  case when o.status in ('cancelled', 'failed', 'trash') then 'cancelled' else 'placed' end
    as order_status,
  cast(coalesce(l.gross_amount, 0) as decimal(18, 2)) as gross_amount,
  cast(o.discount_total as decimal(18, 2)) as discount_amount,
  cast(o.shipping_total as decimal(18, 2)) as shipping_amount,
  cast(o.total_tax as decimal(18, 2)) as tax_amount,
  cast(o.total as decimal(18, 2)) as total_amount,
  upper(o.currency) as currency,
  o.country,
  o.updated_at,
  o.status = 'trash' as is_deleted
from raw.woocommerce_orders as o
left join (
  select parent_record_id, sum(subtotal) as gross_amount
  from raw.woocommerce_order_items
  group by parent_record_id
) as l on l.parent_record_id = o.record_id

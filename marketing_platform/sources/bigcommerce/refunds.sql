-- One refund, with its tax. It does not say its currency: the order does.
select
  r.record_id, r.record_key, r.received_date, r.record_updated_at, r.received_at,
  case
    when r.unreadable is not null then concat('unreadable: ', r.unreadable)
    when r.refund_id is null then 'no key'
    when r.refunded_at is null then 'no date'
    when r.amount is null then 'no amount'
    when r.amount < 0 then 'negative amount'
    when o.currency is null then 'of an order that was not read'
  end as quarantine_reason,
  r.refund_id as source_refund_id,
  r.order_id as source_order_id,
  r.refunded_at,
  r.refund_date,
  cast(r.amount as decimal(18, 2)) as refund_amount,
  o.currency
from raw.bigcommerce_refunds as r
left join (
  select order_id, max(upper(currency)) as currency
  from raw.bigcommerce_orders
  group by order_id
) as o on o.order_id = r.order_id

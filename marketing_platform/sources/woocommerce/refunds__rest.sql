-- What a refund gives back beyond its lines: shipping, or an amount without lines; may be zero.
select
  r.record_id, r.record_key, r.received_date, r.record_updated_at, r.received_at,
  case
    when r.unreadable is not null then concat('unreadable: ', r.unreadable)
    when r.refund_id is null then 'no key'
    when r.refunded_at is null then 'no date'
    when r.amount is null then 'no amount'
    when o.currency is null then 'of an order that was not read'
    when r.amount < 0 then 'negative amount'
  end as quarantine_reason,
  -- Refunds and their lines are numbered apart.
  concat(r.refund_id, '/rest') as source_refund_id,
  r.order_id as source_order_id,
  r.refunded_at,
  r.refund_date,
  cast(
    case when r.amount > coalesce(l.amount, 0) then r.amount - coalesce(l.amount, 0) else 0 end
    as decimal(18, 2)
  ) as refund_amount,
  cast(
    case
      when r.amount > coalesce(l.amount, 0)
        then least(coalesce(s.amount, 0), r.amount - coalesce(l.amount, 0))
      else 0
    end
    as decimal(18, 2)
  ) as shipping_amount,
  o.currency
from raw.woocommerce_refunds as r
left join (
  select parent_record_id, sum(abs(total + coalesce(total_tax, 0))) as amount
  from raw.woocommerce_refund_items
  group by parent_record_id
) as l on l.parent_record_id = r.record_id
left join (
  select parent_record_id, sum(abs(total + coalesce(total_tax, 0))) as amount
  from raw.woocommerce_refund_shipping
  group by parent_record_id
) as s on s.parent_record_id = r.record_id
left join (
  select order_id, max(upper(currency)) as currency
  from raw.woocommerce_orders
  group by order_id
) as o on o.order_id = r.order_id

-- One line of a refund, with its tax. The refund does not say its currency: the order does. Lines that
-- come to more than the money that went back, as a fee was kept, share it.
select
  r.record_id, r.parent_record_id, r.record_key, r.received_date, r.record_updated_at,
  r.received_at,
  case
    when r.unreadable is not null then concat('unreadable: ', r.unreadable)
    when r.line_id is null then 'no key'
    when r.refunded_at is null then 'no date'
    when r.total is null then 'no amount'
    when o.currency is null then 'of an order that was not read'
  end as quarantine_reason,
  r.line_id as source_refund_id,
  r.order_id as source_order_id,
  m.order_line_id as source_order_item_id,
  r.refunded_at,
  r.refund_date,
  nullif(r.product_id, '0') as source_product_id,
  -- Whole pieces alone, so that parts of one can be given back one after another.
  cast(floor(abs(r.quantity)) as bigint) as quantity,
  cast(
    abs(r.total + coalesce(r.total_tax, 0))
    * case when w.amount < l.amount then cast(w.amount as double) / cast(l.amount as double) else 1 end
    as decimal(18, 2)
  ) as refund_amount,
  -- A line's price is told without tax, whether or not it was within what the buyer saw.
  cast(
    abs(coalesce(r.total_tax, 0))
    * case when w.amount < l.amount then cast(w.amount as double) / cast(l.amount as double) else 1 end
    as decimal(18, 2)
  ) as tax_amount,
  o.currency
from raw.woocommerce_refund_items as r
left join raw.woocommerce_refunds as w on w.record_id = r.parent_record_id
left join (
  select parent_record_id, sum(abs(total + coalesce(total_tax, 0))) as amount
  from raw.woocommerce_refund_items
  group by parent_record_id
) as l on l.parent_record_id = r.parent_record_id
left join (
  select parent_record_id, line_id, max(value) as order_line_id
  from raw.woocommerce_refund_item_meta
  where key = '_refunded_item_id'
  group by parent_record_id, line_id
) as m on m.parent_record_id = r.parent_record_id and m.line_id = r.line_id
left join (
  select order_id, max(upper(currency)) as currency
  from raw.woocommerce_orders
  group by order_id
) as o on o.order_id = r.order_id

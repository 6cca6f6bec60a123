-- What a refund gives back beyond its lines: shipping, or an amount without lines; may be zero.
select
  r.record_id, r.parent_record_id, r.record_key, r.received_date, r.record_updated_at,
  r.received_at,
  case
    when r.unreadable is not null then concat('unreadable: ', r.unreadable)
    when r.refund_id is null then 'no key'
    when r.refunded_at is null then 'no date'
    when r.amount is null then 'no amount'
    when r.amount < 0 then 'negative amount'
  end as quarantine_reason,
  concat(replace(r.refund_id, 'gid://shopify/Refund/', ''), '/rest') as source_refund_id,
  replace(r.order_id, 'gid://shopify/Order/', '') as source_order_id,
  replace(r.customer_id, 'gid://shopify/Customer/', '') as source_contact_id,
  r.email, r.refunded_at, r.refund_date,
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
  upper(coalesce(r.currency, r.order_currency)) as currency
from raw.shopify_refunds as r
left join (
  select
    parent_record_id, refund_id,
    sum(subtotal + case when has_tax_in_price then 0 else coalesce(total_tax, 0) end) as amount
  from raw.shopify_refund_items
  group by parent_record_id, refund_id
) as l on l.parent_record_id = r.parent_record_id and l.refund_id = r.refund_id
left join (
  select
    parent_record_id, refund_id,
    sum(subtotal + case when has_tax_in_price then 0 else coalesce(total_tax, 0) end) as amount
  from raw.shopify_refund_shipping
  group by parent_record_id, refund_id
) as s on s.parent_record_id = r.parent_record_id and s.refund_id = r.refund_id

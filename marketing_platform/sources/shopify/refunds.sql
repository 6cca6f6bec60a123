-- One line of a refund, with its tax. Lines that come to more than the money that was to go back share
-- it. Where the shop adjusted nothing they count whole: they were taken out of an order before they were
-- paid, or exchanged for others.
select
  i.record_id, i.parent_record_id, i.record_key, i.received_date, i.record_updated_at,
  i.received_at,
  case
    when i.unreadable is not null then concat('unreadable: ', i.unreadable)
    when i.refund_id is null then 'no key'
    when i.refunded_at is null then 'no date'
    when i.subtotal is null then 'no amount'
    when i.subtotal < 0 or i.total_tax < 0 then 'negative amount'
    when i.quantity is null or i.quantity < 0 then 'no quantity'
  end as quarantine_reason,
  -- Shopify may give a line no key of its own.
  concat(
    replace(i.refund_id, 'gid://shopify/Refund/', ''), '/',
    coalesce(
      replace(i.refund_line_id, 'gid://shopify/RefundLineItem/', ''),
      replace(i.line_id, 'gid://shopify/LineItem/', ''),
      i.record_key
    )
  ) as source_refund_id,
  replace(i.order_id, 'gid://shopify/Order/', '') as source_order_id,
  replace(i.line_id, 'gid://shopify/LineItem/', '') as source_order_item_id,
  replace(i.customer_id, 'gid://shopify/Customer/', '') as source_contact_id,
  i.email, i.refunded_at, i.refund_date,
  replace(i.product_id, 'gid://shopify/Product/', '') as source_product_id,
  i.quantity,
  cast(i.unit_price as decimal(18, 4)) as unit_price_amount,
  cast(
    (i.subtotal + case when i.has_tax_in_price then 0 else coalesce(i.total_tax, 0) end)
    * case
        when r.amount < l.amount and not r.is_unadjusted
          then cast(r.amount as double) / cast(l.amount as double)
        else 1
      end
    as decimal(18, 2)
  ) as refund_amount,
  cast(
    case when i.has_tax_in_price then 0 else coalesce(i.total_tax, 0) end
    * case
        when r.amount < l.amount and not r.is_unadjusted
          then cast(r.amount as double) / cast(l.amount as double)
        else 1
      end
    as decimal(18, 2)
  ) as tax_amount,
  upper(coalesce(i.currency, i.order_currency)) as currency
from raw.shopify_refund_items as i
-- A refund that stands twice in its order must not double its lines.
left join (
  select
    parent_record_id, refund_id, max(amount) as amount,
    coalesce(max(adjustments) = '[]', false) as is_unadjusted
  from raw.shopify_refunds
  group by parent_record_id, refund_id
) as r on r.parent_record_id = i.parent_record_id and r.refund_id = i.refund_id
left join (
  select
    parent_record_id, refund_id,
    sum(subtotal + case when has_tax_in_price then 0 else coalesce(total_tax, 0) end) as amount
  from raw.shopify_refund_items
  group by parent_record_id, refund_id
) as l on l.parent_record_id = i.parent_record_id and l.refund_id = i.refund_id

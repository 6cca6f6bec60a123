-- One version of a refund.
--
-- Stripe counts in a currency's smallest unit. That is a hundredth but for these, by its own lists:
-- ISK and UGX, which have no smaller unit any more, are hundredths still.
select
  r.record_id, r.record_key, r.received_date, r.record_updated_at, r.received_at,
  case
    when r.unreadable is not null then concat('unreadable: ', r.unreadable)
    when r.id is null then 'no key'
    when r.created_at is null then 'no date'
    when r.amount is null then 'no amount'
    when r.amount < 0 then 'negative amount'
    when abs(r.amount) >= 100000000000000 then 'amount out of range'
    when r.currency is null then 'no currency'
    when r.status not in ('succeeded', 'pending', 'failed', 'canceled', 'requires_action')
      then 'unknown status'
  end as quarantine_reason,
  r.id as source_payment_id,
  'refund' as payment_kind,
  r.charge_id as source_charge_id,
  r.order_id as source_order_id,
  case
    when r.status in ('succeeded', 'pending', 'failed') then r.status
    when r.status = 'canceled' then 'cancelled'
    when r.status = 'requires_action' then 'pending'
  end as payment_status,
  r.created_at as paid_at,
  r.created_date as payment_date,
  cast(
    case when abs(r.amount) < 100000000000000 then r.amount end
    / case
      when upper(r.currency) in ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA',
        'PYG', 'RWF', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 1
      when upper(r.currency) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND') then 1000
      else 100
    end as decimal(18, 2)
  ) as payment_amount,
  upper(r.currency) as currency,
  r.record_updated_at as updated_at
from raw.stripe_refunds as r

-- One version of a charge.
--
-- Stripe counts in a currency's smallest unit. That is a hundredth but for these, by its own lists:
-- ISK and UGX, which have no smaller unit any more, are hundredths still.
select
  c.record_id, c.record_key, c.received_date, c.record_updated_at, c.received_at,
  case
    when c.unreadable is not null then concat('unreadable: ', c.unreadable)
    when c.id is null then 'no key'
    when c.created_at is null then 'no date'
    when c.amount is null then 'no amount'
    when c.amount < 0 then 'negative amount'
    when abs(c.amount) >= 100000000000000 then 'amount out of range'
    when c.currency is null then 'no currency'
    when coalesce(c.status, '') not in ('succeeded', 'pending', 'failed') then 'unknown status'
  end as quarantine_reason,
  c.id as source_payment_id,
  'charge' as payment_kind,
  c.customer_id as source_contact_id,
  c.email,
  c.order_id as source_order_id,
  case when c.status in ('succeeded', 'pending', 'failed') then c.status end as payment_status,
  c.created_at as paid_at,
  c.created_date as payment_date,
  cast(
    case when abs(c.amount) < 100000000000000 then c.amount end
    / case
      when upper(c.currency) in ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA',
        'PYG', 'RWF', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 1
      when upper(c.currency) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND') then 1000
      else 100
    end as decimal(18, 2)
  ) as payment_amount,
  upper(c.currency) as currency,
  c.card_fingerprint,
  c.record_updated_at as updated_at
from raw.stripe_charges as c

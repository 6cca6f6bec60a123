-- One version of an invoice.
--
-- Stripe counts in a currency's smallest unit. That is a hundredth but for these, by its own lists:
-- ISK and UGX, which have no smaller unit any more, are hundredths still.
select
  i.record_id, i.record_key, i.received_date, i.record_updated_at, i.received_at,
  case
    when i.unreadable is not null then concat('unreadable: ', i.unreadable)
    when i.id is null then 'no key'
    when i.created_at is null then 'no date'
    when i.amount_due is null then 'no amount'
    when abs(i.amount_due) >= 100000000000000 then 'amount out of range'
    when abs(i.amount_paid) >= 100000000000000 then 'amount out of range'
    when i.currency is null then 'no currency'
  end as quarantine_reason,
  i.id as source_invoice_id,
  i.customer_id as source_contact_id,
  i.subscription_id as source_subscription_id,
  i.email,
  -- Only the event tells that a draft was deleted.
  case when d.object_id is not null then 'deleted' else i.status end as status,
  coalesce(i.finalized_at, i.created_at) as invoiced_at,
  i.due_at, i.paid_at,
  cast(
    case when abs(i.amount_due) < 100000000000000 then i.amount_due end
    / case
      when upper(i.currency) in ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA',
        'PYG', 'RWF', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 1
      when upper(i.currency) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND') then 1000
      else 100
    end as decimal(18, 2)
  ) as due_amount,
  cast(
    case when abs(i.amount_paid) < 100000000000000 then i.amount_paid end
    / case
      when upper(i.currency) in ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA',
        'PYG', 'RWF', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 1
      when upper(i.currency) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND') then 1000
      else 100
    end as decimal(18, 2)
  ) as paid_amount,
  upper(i.currency) as currency,
  i.record_updated_at as updated_at
from raw.stripe_invoices as i
left join (
  select distinct object_id from raw.stripe_events where event_type = 'invoice.deleted'
) as d on d.object_id = i.id

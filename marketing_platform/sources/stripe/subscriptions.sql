-- One version of a subscription. Its price is that of all its items for one billing period: a
-- quarter at 30 is a month at 10.
--
-- Stripe counts in a currency's smallest unit. That is a hundredth but for these, by its own lists:
-- ISK and UGX, which have no smaller unit any more, are hundredths still.
select
  s.record_id, s.record_key, s.received_date, s.record_updated_at, s.received_at,
  case
    when s.unreadable is not null then concat('unreadable: ', s.unreadable)
    when s.id is null then 'no key'
    when s.created_at is null then 'no date'
    when abs(i.amount) >= 100000000000000 then 'amount out of range'
  end as quarantine_reason,
  s.id as source_subscription_id,
  s.customer_id as source_contact_id,
  s.status, s.started_at, s.current_period_end_at, s.cancelled_at, s.ended_at,
  cast(
    case when abs(i.amount) < 100000000000000 then i.amount end
    / coalesce(nullif(s.interval_count, 0), 1)
    / case
      when upper(s.currency) in ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA',
        'PYG', 'RWF', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 1
      when upper(s.currency) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND') then 1000
      else 100
    end as decimal(18, 2)
  ) as period_amount,
  case
    when s.billing_interval in ('day', 'week', 'month', 'year') then s.billing_interval
  end as billing_period,
  upper(s.currency) as currency,
  s.record_updated_at as updated_at
from raw.stripe_subscriptions as s
left join (
  select parent_record_id, sum(unit_amount * coalesce(quantity, 1)) as amount
  from raw.stripe_subscription_items
  where abs(unit_amount) < 1000000000000 and coalesce(abs(quantity), 1) < 1000000
  group by parent_record_id
) as i on i.parent_record_id = s.record_id

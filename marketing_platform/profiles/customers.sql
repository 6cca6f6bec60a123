-- One row is a customer: everything that a segment may ask about it.
select
    c.customer_id,
    c.source_contact_id,
    c.email,
    c.phone,
    c.first_name,
    c.last_name,
    c.country,
    c.has_email_consent,
    c.has_sms_consent,
    c.created_at,
    r.customer_id is not null as is_buyer,
    r.first_ordered_at,
    r.last_ordered_at,
    r.recency_days,
    r.tenure_days,
    r.average_order_value_amount,
    r.refund_share,
    r.days_between_orders,
    r.recency_score,
    r.frequency_score,
    r.monetary_score,
    r.value_percentile,
    coalesce(r.order_count, 0) as order_count,
    coalesce(r.lifetime_value_amount, 0) as lifetime_value_amount,
    coalesce(r.lifecycle_stage, 'prospect') as lifecycle_stage,
    b.last_seen_at,
    coalesce(b.product_viewed_7d_count, 0) as product_viewed_7d_count,
    coalesce(b.product_viewed_30d_count, 0) as product_viewed_30d_count,
    coalesce(b.product_added_7d_count, 0) as product_added_7d_count,
    coalesce(b.product_added_30d_count, 0) as product_added_30d_count,
    coalesce(b.active_30d_days, 0) as active_30d_days,
    b.last_product_added_at,
    b.last_order_completed_at
from identity.customers as c
left join profiles.rfm as r on c.customer_id = r.customer_id
left join profiles.behaviour as b on c.customer_id = b.customer_id
cross join core.clock as k
where c.created_at is null or c.created_at <= k.as_of

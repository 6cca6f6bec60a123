-- One row is a customer: everything that a segment may ask about it, as it was known at the clock.
with
yearly as (
    select customer_id, 'birthday' as what, birth_date as since_date
    from identity.customers
    where birth_date is not null
    union all
    select customer_id, 'anniversary' as what, min(order_date) as since_date
    from profiles.orders
    group by customer_id
),
-- The 29th of February is the 1st of March in other years.
coming as (
    select
        y.customer_id,
        y.what,
        date_diff(
            'day',
            k.as_of_date,
            cast(
                concat(
                    cast(extract(year from k.as_of_date) as varchar), '-',
                    lpad(cast(extract(month from y.since_date) as varchar), 2, '0'), '-01'
                ) as date
            )
        ) + extract(day from y.since_date) - 1 as this_year_days,
        date_diff(
            'day',
            k.as_of_date,
            cast(
                concat(
                    cast(extract(year from k.as_of_date) + 1 as varchar), '-',
                    lpad(cast(extract(month from y.since_date) as varchar), 2, '0'), '-01'
                ) as date
            )
        ) + extract(day from y.since_date) - 1 as next_year_days
    from yearly as y
    cross join core.clock as k
),
days_until as (
    select
        customer_id,
        max(
            case
                when what = 'birthday'
                    then case when this_year_days >= 0 then this_year_days else next_year_days end
            end
        ) as birthday_in_days,
        max(
            case
                when what = 'anniversary'
                    then case when this_year_days >= 0 then this_year_days else next_year_days end
            end
        ) as anniversary_in_days
    from coming
    group by customer_id
),
-- A number is agreed to, not a person: who has another one since, or gave that of somebody else.
agreed as (
    select distinct m.customer_id
    from core.contacts as t
    inner join identity.contact_customers as m on t.contact_id = m.contact_id
    inner join identity.customers as c on m.customer_id = c.customer_id
    where t.has_sms_consent and coalesce(t.phone = c.phone, true)
),
-- So is an address, in whatever way it is written: who gives that of somebody else gets none of their
-- mails.
asked as (
    select m.customer_id, t.contact_id, t.email, c.email as mailed_to
    from core.contacts as t
    inner join identity.contact_customers as m on t.contact_id = m.contact_id
    inner join identity.customers as c on m.customer_id = c.customer_id
    where t.has_email_consent
),
mailed as (
    select customer_id from asked where coalesce(email = mailed_to, email is null)
    union
    select a.customer_id
    from asked as a
    inner join identity.identifiers as i on a.contact_id = i.contact_id and i.kind = 'email'
    inner join identity.contact_customers as m on a.customer_id = m.customer_id
    inner join core.contacts as t on m.contact_id = t.contact_id and a.mailed_to = t.email
    inner join identity.identifiers as j on t.contact_id = j.contact_id and i.value = j.value
    where a.email <> a.mailed_to and j.kind = 'email'
),
fakes as (
    select distinct m.customer_id, t.email
    from identity.identifiers as i
    inner join core.contacts as t on i.contact_id = t.contact_id
    inner join identity.contact_customers as m on i.contact_id = m.contact_id
    where i.kind = 'email' and i.unused_reason in ('obvious fake', 'disposable domain')
)
select
    c.customer_id,
    -- The source's own key of the contact that changed last.
    c.source_contact_id,
    -- E-mail.
    c.email,
    -- Phone.
    c.phone,
    -- Given name.
    c.first_name,
    -- Family name.
    c.last_name,
    -- Country, ISO 3166-1 alpha-2.
    c.country,
    -- Language, BCP 47.
    c.language,
    -- Town.
    c.city,
    -- Postal code.
    c.postcode,
    -- State or province.
    c.region,
    -- Time zone of the country, IANA; null where clocks differ within it.
    z.timezone,
    -- Day of birth.
    c.birth_date,
    -- Days until the next birthday, 0 on the day.
    u.birthday_in_days,
    -- Days until the first purchase is a whole number of years ago, 0 on the day.
    u.anniversary_in_days,
    -- Number of the loyalty card.
    c.loyalty_number,
    -- Token of the shop's app on their latest device; who has one lets it push.
    c.push_token,
    -- Sources that know the person.
    c.source_count,
    -- Agreed to e-mail everywhere it was asked, and for this address, which is not gone; null where never
    -- asked.
    case
        when e.has_email_bounced_hard then false
        when not c.has_email_consent or w.customer_id is not null then c.has_email_consent
    end as has_email_consent,
    -- The e-mail is an obvious fake, or of a domain that throws mail away.
    x.customer_id is not null as has_fake_email,
    -- Agreed to text messages everywhere it was asked, and for this phone; null where never asked.
    case when not c.has_sms_consent or g.customer_id is not null then c.has_sms_consent end
        as has_sms_consent,
    -- First known moment.
    c.created_at,
    -- Has bought at least once.
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
    -- subscriber: has not bought. first_time_buyer: once. repeat_buyer: two or three times. loyal:
    -- four times or more. vip: loyal, and of the twentieth with the highest lifetime value. advocate:
    -- loyal or vip, and in the last 365 days shared or reviewed a product on the site, or gave one four
    -- stars or more. at_risk: two of the shop's typical gaps without a purchase, unless the first one was
    -- in the last 30 days. lapsed: four of them.
    case
        when r.customer_id is null then 'subscriber'
        when r.rhythm = 'lapsed' then 'lapsed'
        when r.rhythm = 'cooling' then 'at_risk'
        when
            r.order_count >= 4
            and coalesce(h.advocated_365d_count, 0) + coalesce(v.recommended_365d_count, 0) > 0
            then 'advocate'
        when r.order_count >= 4 and r.value_percentile > 0.95 then 'vip'
        when r.order_count >= 4 then 'loyal'
        when r.order_count >= 2 then 'repeat_buyer'
        else 'first_time_buyer'
    end as lifecycle_stage,
    p.days_between_orders_spread,
    coalesce(p.refund_amount, 0) as refund_amount,
    coalesce(p.net_90d_amount, 0) as net_90d_amount,
    coalesce(p.net_365d_amount, 0) as net_365d_amount,
    coalesce(p.order_90d_count, 0) as order_90d_count,
    coalesce(p.order_365d_count, 0) as order_365d_count,
    p.discount_share,
    p.discounted_order_share,
    coalesce(p.quantity, 0) as quantity,
    p.first_order_amount,
    p.last_order_amount,
    p.value_slope,
    coalesce(p.is_value_plateau, false) as is_value_plateau,
    h.last_seen_at,
    coalesce(h.product_viewed_1d_count, 0) as product_viewed_1d_count,
    coalesce(h.product_viewed_7d_count, 0) as product_viewed_7d_count,
    coalesce(h.product_viewed_30d_count, 0) as product_viewed_30d_count,
    coalesce(h.product_viewed_90d_count, 0) as product_viewed_90d_count,
    coalesce(h.product_added_1d_count, 0) as product_added_1d_count,
    coalesce(h.product_added_7d_count, 0) as product_added_7d_count,
    coalesce(h.product_added_30d_count, 0) as product_added_30d_count,
    coalesce(h.product_added_90d_count, 0) as product_added_90d_count,
    coalesce(h.searched_1d_count, 0) as searched_1d_count,
    coalesce(h.searched_7d_count, 0) as searched_7d_count,
    coalesce(h.searched_30d_count, 0) as searched_30d_count,
    coalesce(h.searched_90d_count, 0) as searched_90d_count,
    coalesce(h.advocated_365d_count, 0) as advocated_365d_count,
    coalesce(h.visit_1d_count, 0) as visit_1d_count,
    coalesce(h.visit_7d_count, 0) as visit_7d_count,
    coalesce(h.visit_30d_count, 0) as visit_30d_count,
    coalesce(h.visit_90d_count, 0) as visit_90d_count,
    h.dwell_seconds,
    h.device_type,
    coalesce(h.active_30d_days, 0) as active_30d_days,
    h.visit_velocity,
    coalesce(h.is_velocity_decay, false) as is_velocity_decay,
    h.last_product_added_at,
    h.last_order_completed_at,
    f.top_category,
    f.top_category_share,
    f.top_brand,
    f.top_brand_share,
    f.price_tier,
    f.price_sensitivity,
    o.open_cart_id,
    o.open_cart_at,
    o.open_cart_amount,
    o.open_cart_item_count,
    o.open_cart_url,
    o.open_cart_age_hours,
    coalesce(e.email_opened_30d_count, 0) as email_opened_30d_count,
    coalesce(e.email_opened_90d_count, 0) as email_opened_90d_count,
    coalesce(e.email_clicked_30d_count, 0) as email_clicked_30d_count,
    coalesce(e.email_clicked_90d_count, 0) as email_clicked_90d_count,
    coalesce(e.sms_clicked_90d_count, 0) as sms_clicked_90d_count,
    coalesce(e.email_opened_of_last_10_count, 0) as email_opened_of_last_10_count,
    e.email_open_share,
    e.email_click_share,
    e.last_email_engaged_at,
    e.last_sms_engaged_at,
    e.last_message_at,
    coalesce(e.email_soft_bounced_90d_count, 0) as email_soft_bounced_90d_count,
    coalesce(e.has_email_bounced_hard, false) as has_email_bounced_hard,
    coalesce(e.has_email_complained, false) as has_email_complained,
    coalesce(e.has_email_unsubscribed, false) as has_email_unsubscribed,
    coalesce(e.has_sms_unsubscribed, false) as has_sms_unsubscribed,
    coalesce(e.message_1d_count, 0) as message_1d_count,
    coalesce(e.message_7d_count, 0) as message_7d_count,
    q.first_touch_at,
    q.first_touch_source,
    q.first_touch_medium,
    q.first_touch_campaign,
    q.last_touch_source,
    q.last_touch_medium,
    q.last_touch_campaign,
    q.acquisition_cost_amount,
    s.crm_stage,
    coalesce(s.open_deal_count, 0) as open_deal_count,
    coalesce(s.open_deal_amount, 0) as open_deal_amount,
    coalesce(s.open_ticket_count, 0) as open_ticket_count,
    coalesce(s.ticket_90d_count, 0) as ticket_90d_count,
    s.last_ticket_at,
    coalesce(v.review_count, 0) as review_count,
    coalesce(v.recommended_365d_count, 0) as recommended_365d_count,
    v.average_rating,
    v.last_rating,
    v.last_reviewed_at
from identity.customers as c
cross join core.clock as k
left join core.countries as z on c.country = z.country
left join days_until as u on c.customer_id = u.customer_id
left join profiles.rfm as r on c.customer_id = r.customer_id
left join profiles.buying as p on c.customer_id = p.customer_id
left join profiles.behaviour as h on c.customer_id = h.customer_id
left join profiles.affinity as f on c.customer_id = f.customer_id
left join profiles.carts as o on c.customer_id = o.customer_id
left join profiles.engagement as e on c.customer_id = e.customer_id
left join profiles.acquisition as q on c.customer_id = q.customer_id
left join profiles.service as s on c.customer_id = s.customer_id
left join profiles.reviews as v on c.customer_id = v.customer_id
left join fakes as x on c.customer_id = x.customer_id and c.email = x.email
left join agreed as g on c.customer_id = g.customer_id
left join mailed as w on c.customer_id = w.customer_id
where c.created_at is null or c.created_at <= k.as_of

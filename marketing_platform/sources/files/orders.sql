-- One row is an order of an export, put together from its lines: placed where something in it was
-- sold, cancelled where nothing was.
select
    source_order_id as record_id,
    max(received_date) as received_date,
    'accepted' as outcome,
    cast(null as varchar) as quarantine_reason,
    source_order_id,
    max(source_contact_id) as source_contact_id,
    max(nullif(trim(email), '')) as email,
    max(phone) as phone,
    max(first_name) as first_name,
    max(last_name) as last_name,
    max(street) as street,
    max(city) as city,
    max(postcode) as postcode,
    max(region) as region,
    coalesce(min(ordered_at) filter (where line_status = 'sold'), min(ordered_at)) as ordered_at,
    coalesce(min(order_date) filter (where line_status = 'sold'), min(order_date)) as order_date,
    case when count(*) filter (where line_status = 'sold') > 0 then 'placed' else 'cancelled' end
        as order_status,
    cast(
        coalesce(sum(line_amount) filter (where line_status = 'sold'), 0) as decimal(18, 2)
    ) as gross_amount,
    case
        -- Less is left than the discount of the order says: those of lines are not in it.
        when
            max(line_discount_amount) filter (where line_status = 'sold') > 0
            and max(subtotal_amount) >= 0
            then greatest(
                sum(line_amount) filter (where line_status = 'sold') - max(subtotal_amount),
                max(discount_amount) filter (where line_status = 'sold'),
                0
            )
        -- What several lines say alike is that of the whole order.
        when count(distinct discount_amount) filter (where line_status = 'sold') = 1
            then max(discount_amount) filter (where line_status = 'sold')
        else sum(discount_amount) filter (where line_status = 'sold')
    end as discount_amount,
    max(currency) as currency,
    max(country) as country,
    max(ordered_at) as updated_at,
    max(utm_source) as utm_source,
    max(utm_medium) as utm_medium,
    max(utm_campaign) as utm_campaign
from staging.files_order_lines
where outcome = 'accepted' and line_status <> 'returned'
group by source_order_id

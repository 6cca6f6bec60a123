-- One row is an event of the GA4 export. Names of the shop's events are those of the Segment
-- e-commerce spec; others stay as they are. Where a visit came from is the visit's own source, not
-- that of the visitor's first visit.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when event_name is null then 'no name of the event'
        when occurred_at is null then 'no date'
        when coalesce(user_id, user_pseudo_id) is null then 'nobody did it'
    end as quarantine_reason,
    event_key as source_event_id,
    case event_name
        when 'page_view' then 'page_viewed'
        when 'view_item' then 'product_viewed'
        when 'add_to_cart' then 'product_added'
        when 'remove_from_cart' then 'product_removed'
        when 'view_item_list' then 'product_list_viewed'
        when 'select_item' then 'product_clicked'
        when 'view_cart' then 'cart_viewed'
        when 'begin_checkout' then 'checkout_started'
        when 'add_payment_info' then 'payment_info_entered'
        when 'purchase' then 'order_completed'
        when 'refund' then 'order_refunded'
        when 'search' then 'products_searched'
        when 'view_search_results' then 'products_searched'
        else event_name
    end as event,
    occurred_at,
    export_date as event_date,
    user_id as source_contact_id,
    user_pseudo_id as anonymous_id,
    nullif(item_id, '(not set)') as source_product_id,
    nullif(transaction_id, '(not set)') as source_order_id,
    page_location as page_url,
    nullif(source, '(not set)') as utm_source,
    nullif(medium, '(not set)') as utm_medium,
    nullif(campaign, '(not set)') as utm_campaign,
    case lower(device_category) when 'smart tv' then 'tv' else device_category end as device_type
from raw.ga4_export_events

-- One row is a call that tells what a visitor did: track, page or screen. Names are those of the
-- Segment e-commerce spec in snake case.
with
named as (
    select
        *,
        case call_type
            when 'page' then 'page_viewed'
            when 'screen' then 'screen_viewed'
            else nullif(translate(lower(trim(event)), ' -./:', '_____'), '')
        end as event_name
    from raw.segment_events_events
)
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when call_type is null then 'not a call'
        when call_type not in ('track', 'page', 'screen')
            then concat('not an event: ', call_type)
        when message_id is null then 'no key'
        when event_name is null then 'no name of the event'
        when occurred_at is null then 'no date'
        when coalesce(user_id, anonymous_id, email) is null then 'nobody did it'
    end as quarantine_reason,
    message_id as source_event_id,
    event_name as event,
    occurred_at,
    event_date,
    user_id as source_contact_id,
    anonymous_id,
    email,
    product_id as source_product_id,
    order_id as source_order_id,
    page_url,
    utm_source,
    utm_medium,
    utm_campaign,
    -- A phone's browser says Mobile, a tablet's leaves it out (Android) or names itself; today's iPads
    -- say that they are a Mac and count as one.
    case
        when regexp_matches(lower(user_agent), 'smart-?tv|appletv|googletv|hbbtv|bravia') then 'tv'
        when regexp_matches(lower(user_agent), 'ipad|tablet|kindle|silk/') then 'tablet'
        when lower(user_agent) like '%android%' and lower(user_agent) not like '%mobile%'
            and coalesce(call_type, '') <> 'screen'
            then 'tablet'
        when regexp_matches(lower(user_agent), 'mobi|iphone|ipod|android') then 'mobile'
        when lower(app_system) in ('ios', 'android') or is_mobile then 'mobile'
        when regexp_matches(lower(user_agent), 'windows|macintosh|x11|cros') then 'desktop'
    end as device_type
from named

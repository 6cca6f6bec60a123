-- One row is a contact (or a visitor without one) and a day with an event: visits and their length,
-- the kind of device on which they were last, and where the first and the last visit came from.
-- A visit ends where nothing happens for half an hour; events of one hour are seen together. Many sites
-- tell a campaign on the page of arrival alone, so a visit has that of any of its events. Who signs in on
-- the way, on a device that nobody else signed in on that day, has visited once. Days whose events did not
-- change are not built again.
with
signed_in as (
    select
        source,
        anonymous_id,
        event_date,
        min(contact_id) as contact_id,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at
    from core.events
    where contact_id is not null and anonymous_id is not null
    group by source, anonymous_id, event_date
    having min(contact_id) = max(contact_id)
),
-- Almost always one row an hour, or two.
pieces as (
    select
        coalesce(
            e.contact_id, s.contact_id, concat('anonymous:', e.source, ':', e.anonymous_id)
        ) as identifier,
        e.event_date as activity_date,
        date_trunc('hour', e.occurred_at) as hour_at,
        e.utm_source,
        e.utm_medium,
        e.utm_campaign,
        min(e.occurred_at) as first_at,
        max(e.occurred_at) as last_at,
        -- Who changes the device within an hour is rare: any of the two, and always the same.
        max(e.device_type) as device_type
    from core.events as e
    left join signed_in as s
        on
            e.contact_id is null
            and e.source = s.source
            and e.anonymous_id = s.anonymous_id
            and e.event_date = s.event_date
            and e.occurred_at > s.first_at - interval 30 minute
            and e.occurred_at < s.last_at + interval 30 minute
    group by 1, 2, 3, 4, 5, 6
),
-- Where a visit came from as one text, parted by a character that no text needs.
sourced as (
    select
        *,
        case
            when coalesce(utm_source, utm_medium, utm_campaign) is not null
                then
                    concat(
                        chr(31), replace(coalesce(utm_source, '(direct)'), chr(31), ' '),
                        chr(31), replace(coalesce(utm_medium, '(none)'), chr(31), ' '),
                        chr(31), replace(coalesce(utm_campaign, ''), chr(31), ' ')
                    )
        end as origin
    from pieces
),
-- With its moment before it, the least text is the first; of two at one moment always the same.
hours as (
    select
        identifier,
        activity_date,
        hour_at,
        min(first_at) as first_at,
        max(last_at) as last_at,
        max(device_type) as device_type,
        min(case when origin is not null then concat(cast(first_at as varchar), origin) end)
            as first_origin,
        max(case when origin is not null then concat(cast(last_at as varchar), origin) end)
            as last_origin
    from sourced
    group by identifier, activity_date, hour_at
),
followed as (
    select
        *,
        date_diff(
            'second',
            lag(last_at) over (partition by identifier, activity_date order by hour_at),
            first_at
        ) as pause_seconds
    from hours
),
numbered as (
    select
        *,
        sum(case when pause_seconds < 1800 then 0 else 1 end) over (
            partition by identifier, activity_date order by hour_at asc nulls first
        ) as visit
    from followed
),
days as (
    select
        identifier,
        activity_date,
        max(visit) as visit_count,
        sum(
            date_diff('second', first_at, last_at)
            + case when pause_seconds < 1800 then pause_seconds else 0 end
        ) as dwell_seconds,
        arg_max(device_type, hour_at) filter (where device_type is not null) as device_type,
        min(first_at) as first_at,
        max(last_at) as last_at,
        min(case when visit = 1 then first_origin end) as first_origin,
        -- The last visit's even where it has none.
        max(concat(lpad(cast(visit as varchar), 2, '0'), last_origin)) as last_origin
    from numbered
    group by identifier, activity_date
)
select
    identifier,
    activity_date,
    cast(visit_count as bigint) as visit_count,
    cast(dwell_seconds as bigint) as dwell_seconds,
    device_type,
    first_at,
    last_at,
    coalesce(nullif(split_part(first_origin, chr(31), 2), ''), '(direct)') as first_source,
    coalesce(nullif(split_part(first_origin, chr(31), 3), ''), '(none)') as first_medium,
    coalesce(split_part(first_origin, chr(31), 4), '') as first_campaign,
    coalesce(nullif(split_part(last_origin, chr(31), 2), ''), '(direct)') as last_source,
    coalesce(nullif(split_part(last_origin, chr(31), 3), ''), '(none)') as last_medium,
    split_part(last_origin, chr(31), 4) as last_campaign
from days

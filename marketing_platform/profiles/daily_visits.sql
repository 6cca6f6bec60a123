-- One row is a contact (or a visitor without one) and a day with an event: visits and their length,
-- and the kind of device on which they were last.
-- A visit ends where nothing happens for half an hour; events of one hour are seen together. Days whose
-- events did not change are not built again.
with
hours as (
    select
        coalesce(contact_id, concat('anonymous:', source, ':', anonymous_id)) as identifier,
        event_date as activity_date,
        date_trunc('hour', occurred_at) as hour_at,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at,
        -- Who changes the device within an hour is rare: any of the two, and always the same.
        max(device_type) as device_type
    from core.events
    group by 1, 2, 3
),
followed as (
    select
        *,
        coalesce(
            date_diff(
                'second',
                lag(last_at) over (partition by identifier, activity_date order by hour_at),
                first_at
            ) < 1800,
            false
        ) as goes_on,
        date_diff(
            'second',
            lag(last_at) over (partition by identifier, activity_date order by hour_at),
            first_at
        ) as pause_seconds
    from hours
)
select
    identifier,
    activity_date,
    count(*) filter (where not goes_on) as visit_count,
    cast(
        sum(
            date_diff('second', first_at, last_at)
            + case when goes_on then pause_seconds else 0 end
        ) as bigint
    ) as dwell_seconds,
    arg_max(device_type, hour_at) filter (where device_type is not null) as device_type
from followed
group by identifier, activity_date

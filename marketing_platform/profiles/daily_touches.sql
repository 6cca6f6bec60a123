-- One row is a contact (or a visitor without one) and a day with an event: where the first and the last
-- event of the day came from. Days whose events did not change are not built again.
with
touches as (
    select
        coalesce(contact_id, concat('anonymous:', source, ':', anonymous_id)) as identifier,
        event_date as activity_date,
        occurred_at,
        -- The key settles a tie, so that the order of the events does not matter.
        concat(cast(occurred_at as varchar), event_id) as standing,
        coalesce(utm_source, '(direct)') as utm_source,
        coalesce(utm_medium, '(none)') as utm_medium,
        coalesce(utm_campaign, '') as utm_campaign
    from core.events
)
select
    identifier,
    activity_date,
    min(occurred_at) as first_at,
    max(occurred_at) as last_at,
    arg_min(utm_source, standing) as first_source,
    arg_min(utm_medium, standing) as first_medium,
    arg_min(utm_campaign, standing) as first_campaign,
    arg_max(utm_source, standing) as last_source,
    arg_max(utm_medium, standing) as last_medium,
    arg_max(utm_campaign, standing) as last_campaign
from touches
group by identifier, activity_date

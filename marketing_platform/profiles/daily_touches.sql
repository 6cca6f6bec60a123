-- One row is a contact (or a visitor without one) and a day with an event: where the first and the last
-- event of the day came from. Days whose events did not change are not built again.
with
events as (
    select
        coalesce(contact_id, concat('anonymous:', source, ':', anonymous_id)) as identifier,
        event_date as activity_date,
        occurred_at,
        event_id,
        coalesce(utm_source, '(direct)') as utm_source,
        coalesce(utm_medium, '(none)') as utm_medium,
        coalesce(utm_campaign, '') as utm_campaign
    from core.events
),
bounds as (
    select identifier, activity_date, min(occurred_at) as first_at, max(occurred_at) as last_at
    from events
    group by identifier, activity_date
)
-- Of events at the same moment the key decides, so that their order does not matter.
select
    b.identifier,
    b.activity_date,
    min(b.first_at) as first_at,
    min(b.last_at) as last_at,
    arg_min(e.utm_source, e.event_id) filter (where e.occurred_at = b.first_at) as first_source,
    arg_min(e.utm_medium, e.event_id) filter (where e.occurred_at = b.first_at) as first_medium,
    arg_min(e.utm_campaign, e.event_id) filter (where e.occurred_at = b.first_at) as first_campaign,
    arg_max(e.utm_source, e.event_id) filter (where e.occurred_at = b.last_at) as last_source,
    arg_max(e.utm_medium, e.event_id) filter (where e.occurred_at = b.last_at) as last_medium,
    arg_max(e.utm_campaign, e.event_id) filter (where e.occurred_at = b.last_at) as last_campaign
from bounds as b
inner join events as e
    on
        b.identifier = e.identifier
        and b.activity_date = e.activity_date
        and (e.occurred_at = b.first_at or e.occurred_at = b.last_at)
group by b.identifier, b.activity_date

-- One row is a contact (or a visitor without one), a day and an event: how often it happened, up to
-- the clock. Windows of days are sums over this small table.
select
    coalesce(e.contact_id, concat('anonymous:', e.source, ':', e.anonymous_id)) as identifier,
    e.event_date as activity_date,
    e.event,
    count(*) as event_count,
    min(e.occurred_at) as first_at,
    max(e.occurred_at) as last_at
from core.events as e
cross join core.clock as k
where e.occurred_at <= k.as_of
group by 1, 2, 3

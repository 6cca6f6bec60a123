-- One row is a contact (or a visitor without one), a day and an event: how often it happened. Windows
-- of days are sums over this small table. Days whose events did not change are not built again.
select
    coalesce(contact_id, concat('anonymous:', source, ':', anonymous_id)) as identifier,
    event_date as activity_date,
    event,
    count(*) as event_count,
    min(occurred_at) as first_at,
    max(occurred_at) as last_at
from core.events
group by 1, 2, 3

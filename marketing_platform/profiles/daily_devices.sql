-- One row is a device on which a contact was signed in on a day. Days whose events did not change are
-- not built again.
select
    concat('anonymous:', source, ':', anonymous_id) as identifier,
    contact_id,
    event_date as activity_date,
    min(occurred_at) as first_at
from core.events
where contact_id is not null and anonymous_id is not null
group by 1, 2, 3

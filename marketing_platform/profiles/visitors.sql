-- One row is a device that a customer was signed in on, alone, up to the clock. A device on which
-- several customers were, in a shop or a library, belongs to nobody.
select
    concat('anonymous:', e.source, ':', e.anonymous_id) as identifier,
    any_value(m.customer_id) as customer_id,
    min(e.occurred_at) as first_seen_at
from core.events as e
inner join identity.contact_customers as m on e.contact_id = m.contact_id
cross join core.clock as k
where e.anonymous_id is not null and e.occurred_at <= k.as_of
group by 1
having count(distinct m.customer_id) = 1

-- One row is a device that a customer was signed in on, alone, up to the clock. A device on which
-- several customers were, in a shop or a library, belongs to nobody.
select
    d.identifier,
    any_value(m.customer_id) as customer_id,
    min(d.first_at) as first_seen_at
from profiles.daily_devices as d
inner join identity.contact_customers as m on d.contact_id = m.contact_id
cross join core.clock as k
where d.activity_date <= k.as_of_date
group by d.identifier
having count(distinct m.customer_id) = 1

-- One row is an identifier of a contact: its e-mail, its phone, or the source's own key.
with
shared as (
    select contact_id, 'email' as kind, email as value
    from core.contacts
    where email is not null
    union all
    select contact_id, 'phone' as kind, phone as value
    from core.contacts
    -- Shorter ones are extensions or placeholders, and tie strangers together.
    where length(phone) >= 8
),
counted as (
    select contact_id, kind, value, count(*) over (partition by kind, value) as contact_count
    from shared
)
select contact_id, kind, value
from counted
-- No person has a hundred accounts: such an address is the till's or a marketplace's.
where contact_count < 100
union all
select contact_id, 'source_id' as kind, contact_id as value
from core.contacts

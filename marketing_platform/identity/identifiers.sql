-- One row is an identifier of a contact: its e-mail, its phone, or the source's own key.
select distinct contact_id, 'email' as kind, email as value
from core.contacts
where email is not null
union all
select distinct contact_id, 'phone' as kind, phone as value
from core.contacts
-- Shorter ones are extensions or placeholders, and tie strangers together.
where length(phone) >= 8
union all
select contact_id, 'source_id' as kind, contact_id as value
from core.contacts

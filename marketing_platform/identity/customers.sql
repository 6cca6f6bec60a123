-- One row is a person: each attribute from the contact that was last updated and has it. Consent is
-- that of all contacts: who refused in one place has refused.
with
members as (
    select
        m.customer_id,
        c.*,
        -- The key settles a tie, so that the order of the contacts does not matter.
        concat(
            cast(coalesce(c.updated_at, timestamp '1900-01-01') as varchar), ' ', c.contact_id
        ) as standing
    from identity.contact_customers as m
    inner join core.contacts as c on m.contact_id = c.contact_id
)
select
    customer_id,
    count(*) as contact_count,
    arg_max(source_contact_id, standing) filter (where source_contact_id not like 'email:%')
        as source_contact_id,
    arg_max(email, standing) filter (where email is not null) as email,
    arg_max(phone, standing) filter (where phone is not null) as phone,
    arg_max(first_name, standing) filter (where first_name is not null) as first_name,
    arg_max(last_name, standing) filter (where last_name is not null) as last_name,
    arg_max(country, standing) filter (where country is not null) as country,
    bool_and(has_email_consent) as has_email_consent,
    bool_and(has_sms_consent) as has_sms_consent,
    min(created_at) as created_at
from members
group by customer_id

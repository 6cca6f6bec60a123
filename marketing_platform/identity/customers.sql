-- One row is a person: each attribute from the contact that was last updated and has it.
select
    m.customer_id,
    count(*) as contact_count,
    arg_max(c.source_contact_id, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.source_contact_id not like 'email:%') as source_contact_id,
    arg_max(c.email, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.email is not null) as email,
    arg_max(c.phone, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.phone is not null) as phone,
    arg_max(c.first_name, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.first_name is not null) as first_name,
    arg_max(c.last_name, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.last_name is not null) as last_name,
    arg_max(c.country, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.country is not null) as country,
    arg_max(c.has_email_consent, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.has_email_consent is not null) as has_email_consent,
    arg_max(c.has_sms_consent, coalesce(c.updated_at, timestamp '1900-01-01'))
        filter (where c.has_sms_consent is not null) as has_sms_consent,
    min(c.created_at) as created_at
from identity.contact_customers as m
inner join core.contacts as c on m.contact_id = c.contact_id
group by m.customer_id

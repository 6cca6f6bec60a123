-- One row is one source's record of a person: from its list of contacts, or known only by an order
-- or an event. A guest who left an e-mail is a contact of that e-mail.
with
mentions as (
    select
        source_contact_id, email, phone, cast(null as varchar) as first_name,
        cast(null as varchar) as last_name, country, cast(null as boolean) as has_email_consent,
        cast(null as boolean) as has_sms_consent, ordered_at as created_at,
        ordered_at as updated_at, 0 as is_listed
    from staging.files_orders
    where outcome = 'accepted'
    union all
    select
        source_contact_id, email, null, null, null, null, null, null, occurred_at, occurred_at, 0
    from staging.files_events
    where outcome = 'accepted'
    union all
    select
        source_contact_id, email, phone, first_name, last_name, country, has_email_consent,
        has_sms_consent, created_at, updated_at, 1
    from staging.files_contacts
    where outcome = 'accepted'
),
keyed as (
    select
        *,
        concat(cast(is_listed as varchar), cast(updated_at as varchar)) as standing,
        coalesce(source_contact_id, 'email:' || lower(trim(email))) as contact_key,
        nullif(lower(trim(email)), '') as clean_email,
        regexp_replace(translate(trim(phone), ' ()-./', ''), '^00', '+') as plain_phone
    from mentions
    where source_contact_id is not null or nullif(trim(email), '') is not null
)
select
    'files:' || contact_key as contact_id,
    'files' as source,
    contact_key as source_contact_id,
    -- The list of contacts wins over what an order says, and the latest word over earlier ones. The
    -- value itself settles a tie, so that the order of the records does not matter.
    arg_max(clean_email, concat(standing, clean_email)) filter (where clean_email is not null)
        as email,
    arg_max(plain_phone, concat(standing, plain_phone))
        filter (where regexp_matches(plain_phone, '^[+]?[0-9]{6,}$')) as phone,
    max(first_name) as first_name,
    max(last_name) as last_name,
    arg_max(country, concat(standing, country)) filter (where country is not null) as country,
    bool_and(has_email_consent) as has_email_consent,
    bool_and(has_sms_consent) as has_sms_consent,
    min(created_at) as created_at,
    max(updated_at) as updated_at
from keyed
group by contact_key

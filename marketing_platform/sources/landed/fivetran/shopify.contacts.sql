-- A customer with an account.
select
    id as source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    cast(coalesce(accepts_marketing, email_marketing_consent_state = 'subscribed') as boolean)
        as has_email_consent,
    created_at,
    updated_at,
    coalesce(cast(_fivetran_deleted as boolean), false) as is_deleted
from customer

-- A customer with an account.
select
    id as source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    coalesce(default_address ->> '$.country_code', default_address__country_code) as country,
    case
        when
            coalesce(
                email_marketing_consent ->> '$.state', email_marketing_consent__state
            ) is not null
            then coalesce(
                email_marketing_consent ->> '$.state', email_marketing_consent__state
            ) = 'subscribed'
        else try_cast(accepts_marketing as boolean)
    end as has_email_consent,
    coalesce(sms_marketing_consent ->> '$.state', sms_marketing_consent__state) = 'subscribed'
        as has_sms_consent,
    created_at,
    updated_at,
    deleted_at is not null as is_deleted
from customers

-- A customer with an account.
select
    id as source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    coalesce(default_address ->> '$.country_code', default_address__country_code) as country,
    coalesce(default_address ->> '$.address1', default_address__address1) as street,
    coalesce(default_address ->> '$.city', default_address__city) as city,
    coalesce(default_address ->> '$.zip', default_address__zip) as postcode,
    coalesce(default_address ->> '$.province_code', default_address__province_code) as region,
    case
        when
            coalesce(
                email_marketing_consent ->> '$.state', email_marketing_consent__state
            ) is not null
            -- Who never subscribed has not refused.
            then nullif(
                coalesce(email_marketing_consent ->> '$.state', email_marketing_consent__state),
                'not_subscribed'
            ) = 'subscribed'
        else try_cast(accepts_marketing as boolean)
    end as has_email_consent,
    nullif(
        coalesce(sms_marketing_consent ->> '$.state', sms_marketing_consent__state),
        'not_subscribed'
    ) = 'subscribed' as has_sms_consent,
    created_at,
    updated_at,
    deleted_at is not null as is_deleted
from customers

-- A contact.
select
    id as source_contact_id,
    coalesce(properties_email, properties ->> '$.email') as email,
    coalesce(
        properties_phone, properties_mobilephone, properties ->> '$.phone',
        properties ->> '$.mobilephone'
    ) as phone,
    coalesce(properties_firstname, properties ->> '$.firstname') as first_name,
    coalesce(properties_lastname, properties ->> '$.lastname') as last_name,
    coalesce(properties_country, properties ->> '$.country') as country,
    coalesce(properties_address, properties ->> '$.address') as street,
    coalesce(properties_city, properties ->> '$.city') as city,
    coalesce(properties_zip, properties ->> '$.zip') as postcode,
    coalesce(properties_state, properties ->> '$.state') as region,
    case
        when try_cast(
            coalesce(properties_hs_email_optout, properties ->> '$.hs_email_optout') as boolean
        ) then false
        -- To be confirmed by a click yet (double opt-in).
        when
            regexp_matches(
                lower(
                    coalesce(
                        properties_hs_emailconfirmationstatus,
                        properties ->> '$.hs_emailconfirmationstatus'
                    )
                ),
                'pending|e?mail.sent|awaiting|not.clicked'
            )
            then null
        -- Who did not opt out has not thereby agreed: consent needs its legal basis.
        when
            lower(coalesce(properties_hs_legal_basis, properties ->> '$.hs_legal_basis'))
            like '%consent%'
            then true
    end as has_email_consent,
    createdat as created_at,
    updatedat as updated_at,
    coalesce(try_cast(archived as boolean), false) as is_deleted
from contacts

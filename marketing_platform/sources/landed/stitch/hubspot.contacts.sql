-- A contact.
select
    coalesce(canonical_vid, vid) as source_contact_id,
    coalesce(
        properties__email__value, property_email__value, properties ->> '$.email.value'
    ) as email,
    coalesce(
        properties__phone__value, property_phone__value, properties ->> '$.phone.value'
    ) as phone,
    coalesce(
        properties__firstname__value, property_firstname__value, properties ->> '$.firstname.value'
    ) as first_name,
    coalesce(
        properties__lastname__value, property_lastname__value, properties ->> '$.lastname.value'
    ) as last_name,
    coalesce(
        properties__country__value, property_country__value, properties ->> '$.country.value'
    ) as country,
    coalesce(
        properties__address__value, property_address__value, properties ->> '$.address.value'
    ) as street,
    coalesce(
        properties__city__value, property_city__value, properties ->> '$.city.value'
    ) as city,
    coalesce(
        properties__zip__value, property_zip__value, properties ->> '$.zip.value'
    ) as postcode,
    coalesce(
        properties__state__value, property_state__value, properties ->> '$.state.value'
    ) as region,
    case
        when try_cast(
            coalesce(properties__hs_email_optout__value, property_hs_email_optout__value)
            as boolean
        ) then false
        -- To be confirmed by a click yet (double opt-in).
        when
            regexp_matches(
                lower(
                    coalesce(
                        properties__hs_emailconfirmationstatus__value,
                        property_hs_emailconfirmationstatus__value
                    )
                ),
                'pending|e?mail.sent|awaiting|not.clicked'
            )
            then null
        -- Who did not opt out has not thereby agreed: consent needs its legal basis.
        when
            lower(
                coalesce(properties__hs_legal_basis__value, property_hs_legal_basis__value)
            ) like '%consent%'
            then true
    end as has_email_consent,
    coalesce(properties__createdate__value, property_createdate__value) as created_at,
    coalesce(
        properties__lastmodifieddate__value, property_lastmodifieddate__value, versiontime,
        _sdc_received_at
    ) as updated_at
from contacts

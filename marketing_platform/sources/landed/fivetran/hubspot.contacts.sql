-- A contact.
select
    id as source_contact_id,
    property_email as email,
    coalesce(property_phone, property_mobilephone) as phone,
    property_firstname as first_name,
    property_lastname as last_name,
    property_country as country,
    property_address as street,
    property_city as city,
    property_zip as postcode,
    property_state as region,
    case
        when cast(property_hs_email_optout as boolean) then false
        -- To be confirmed by a click yet (double opt-in).
        when
            regexp_matches(
                lower(cast(property_hs_emailconfirmationstatus as varchar)),
                'pending|e?mail.sent|awaiting|not.clicked'
            )
            then null
        -- Who did not opt out has not thereby agreed: consent needs its legal basis.
        when lower(cast(property_hs_legal_basis as varchar)) like '%consent%' then true
    end as has_email_consent,
    property_createdate as created_at,
    coalesce(property_lastmodifieddate, _fivetran_synced) as updated_at,
    coalesce(cast(_fivetran_deleted as boolean), false) as is_deleted
from contact

-- A contact, or a lead.
select
    id as source_contact_id,
    email,
    coalesce(mobilephone, phone) as phone,
    firstname as first_name,
    lastname as last_name,
    coalesce(mailingcountrycode, mailingcountry) as country,
    mailingstreet as street,
    mailingcity as city,
    mailingpostalcode as postcode,
    coalesce(mailingstatecode, mailingstate) as region,
    case when try_cast(hasoptedoutofemail as boolean) then false end as has_email_consent,
    createddate as created_at,
    coalesce(systemmodstamp, lastmodifieddate) as updated_at,
    coalesce(try_cast(isdeleted as boolean), false) as is_deleted
from contact
union all
select
    id,
    email,
    coalesce(mobilephone, phone),
    firstname,
    lastname,
    coalesce(countrycode, country),
    street,
    city,
    postalcode,
    coalesce(statecode, state),
    case when try_cast(hasoptedoutofemail as boolean) then false end,
    createddate,
    coalesce(systemmodstamp, lastmodifieddate),
    coalesce(try_cast(isdeleted as boolean), false)
from lead

-- A customer with an account. Of its addresses the default one.
select
    c.id as source_contact_id,
    c.email,
    coalesce(c.phone, a.phone) as phone,
    c.first_name,
    c.last_name,
    coalesce(a.country_code, a.country) as country,
    a.address_1 as street,
    a.city,
    a.zip as postcode,
    coalesce(a.province_code, a.province) as region,
    -- `accepts_marketing` is what older connectors landed, and stays as it was then. Who never subscribed
    -- has not refused.
    case
        when c.email_marketing_consent_state is not null
            then nullif(lower(c.email_marketing_consent_state), 'not_subscribed') = 'subscribed'
        else cast(c.accepts_marketing as boolean)
    end as has_email_consent,
    c.created_at,
    c.updated_at,
    coalesce(cast(c._fivetran_deleted as boolean), false) as is_deleted
from customer as c
left join (
    select
        cast(customer_id as varchar) as customer_id,
        min(phone) as phone, min(country_code) as country_code, min(country) as country,
        min(address_1) as address_1, min(city) as city, min(zip) as zip,
        min(province_code) as province_code, min(province) as province
    from customer_address
    where cast(is_default as boolean)
    group by 1
) as a on cast(c.id as varchar) = a.customer_id

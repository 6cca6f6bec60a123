-- One row is a person. Each attribute is that of one of its contacts, which `<attribute>_source`
-- names: by the rule of identity.attribute_rules the most recent, the most trusted or the most
-- frequent. Consent is that of all contacts: who refused in one place has refused.
with
members as (
    select
        m.customer_id,
        c.*,
        count(*) over (partition by m.customer_id) as contact_count,
        -- The key settles a tie, so that the order of the contacts does not matter.
        concat(
            cast(coalesce(c.updated_at, timestamp '1900-01-01') as varchar), ' ', c.contact_id
        ) as standing
    from identity.contact_customers as m
    inner join core.contacts as c on m.contact_id = c.contact_id
),
told as (
    select customer_id, source, standing, 'email' as attribute, email as value
    from members where contact_count > 1 and email is not null
    union all
    select customer_id, source, standing, 'phone', phone
    from members where contact_count > 1 and phone is not null
    union all
    select customer_id, source, standing, 'first_name', first_name
    from members where contact_count > 1 and first_name is not null
    union all
    select customer_id, source, standing, 'last_name', last_name
    from members where contact_count > 1 and last_name is not null
    union all
    select customer_id, source, standing, 'country', country
    from members where contact_count > 1 and country is not null
    union all
    select customer_id, source, standing, 'language', language
    from members where contact_count > 1 and language is not null
    union all
    select customer_id, source, standing, 'birth_date', cast(birth_date as varchar)
    from members where contact_count > 1 and birth_date is not null
    union all
    select customer_id, source, standing, 'street', street
    from members where contact_count > 1 and street is not null
    union all
    select customer_id, source, standing, 'city', city
    from members where contact_count > 1 and city is not null
    union all
    select customer_id, source, standing, 'postcode', postcode
    from members where contact_count > 1 and postcode is not null
    union all
    select customer_id, source, standing, 'region', region
    from members where contact_count > 1 and region is not null
    union all
    select customer_id, source, standing, 'loyalty_number', loyalty_number
    from members where contact_count > 1 and loyalty_number is not null
),
counted as (
    select *, count(*) over (partition by customer_id, attribute, value) as times
    from told
),
ranked as (
    select
        t.*,
        row_number() over (
            partition by t.customer_id, t.attribute
            order by
                case r.rule
                    when 'most_trusted' then r.rank
                    when 'most_frequent' then -t.times
                    else 0
                end asc,
                t.standing desc
        ) as place
    from counted as t
    left join identity.attribute_rules as r on t.attribute = r.attribute and t.source = r.source
),
several as (
    select
        customer_id,
        max(case when attribute = 'email' then value end) as email,
        max(case when attribute = 'email' then source end) as email_source,
        max(case when attribute = 'phone' then value end) as phone,
        max(case when attribute = 'phone' then source end) as phone_source,
        max(case when attribute = 'first_name' then value end) as first_name,
        max(case when attribute = 'first_name' then source end) as first_name_source,
        max(case when attribute = 'last_name' then value end) as last_name,
        max(case when attribute = 'last_name' then source end) as last_name_source,
        max(case when attribute = 'country' then value end) as country,
        max(case when attribute = 'country' then source end) as country_source,
        max(case when attribute = 'language' then value end) as language,
        max(case when attribute = 'language' then source end) as language_source,
        max(case when attribute = 'birth_date' then value end) as birth_date,
        max(case when attribute = 'birth_date' then source end) as birth_date_source,
        max(case when attribute = 'street' then value end) as street,
        max(case when attribute = 'street' then source end) as street_source,
        max(case when attribute = 'city' then value end) as city,
        max(case when attribute = 'city' then source end) as city_source,
        max(case when attribute = 'postcode' then value end) as postcode,
        max(case when attribute = 'postcode' then source end) as postcode_source,
        max(case when attribute = 'region' then value end) as region,
        max(case when attribute = 'region' then source end) as region_source,
        max(case when attribute = 'loyalty_number' then value end) as loyalty_number,
        max(case when attribute = 'loyalty_number' then source end) as loyalty_number_source
    from ranked
    where place = 1
    group by customer_id
),
people as (
    select
        customer_id,
        count(*) as contact_count,
        count(distinct source) as source_count,
        arg_max(source_contact_id, standing) filter (where source_contact_id not like 'email:%')
            as source_contact_id,
        arg_max(push_token, standing) filter (where push_token is not null) as push_token,
        bool_and(has_email_consent) as has_email_consent,
        bool_and(has_sms_consent) as has_sms_consent,
        min(created_at) as created_at,
        -- Of the only contact; those of several are chosen above.
        any_value(source) as source,
        any_value(email) as email,
        any_value(phone) as phone,
        any_value(first_name) as first_name,
        any_value(last_name) as last_name,
        any_value(country) as country,
        any_value(language) as language,
        any_value(birth_date) as birth_date,
        any_value(street) as street,
        any_value(city) as city,
        any_value(postcode) as postcode,
        any_value(region) as region,
        any_value(loyalty_number) as loyalty_number
    from members
    group by customer_id
)
select
    p.customer_id,
    p.contact_count,
    p.source_count,
    p.source_contact_id,
    case when p.contact_count = 1 then p.email else s.email end as email,
    case when p.contact_count > 1 then s.email_source when p.email is not null then p.source end
        as email_source,
    case when p.contact_count = 1 then p.phone else s.phone end as phone,
    case when p.contact_count > 1 then s.phone_source when p.phone is not null then p.source end
        as phone_source,
    case when p.contact_count = 1 then p.first_name else s.first_name end as first_name,
    case
        when p.contact_count > 1 then s.first_name_source
        when p.first_name is not null then p.source
    end as first_name_source,
    case when p.contact_count = 1 then p.last_name else s.last_name end as last_name,
    case
        when p.contact_count > 1 then s.last_name_source
        when p.last_name is not null then p.source
    end as last_name_source,
    case when p.contact_count = 1 then p.country else s.country end as country,
    case
        when p.contact_count > 1 then s.country_source when p.country is not null then p.source
    end as country_source,
    case when p.contact_count = 1 then p.language else s.language end as language,
    case
        when p.contact_count > 1 then s.language_source when p.language is not null then p.source
    end as language_source,
    case when p.contact_count = 1 then p.birth_date else cast(s.birth_date as date) end
        as birth_date,
    case
        when p.contact_count > 1 then s.birth_date_source
        when p.birth_date is not null then p.source
    end as birth_date_source,
    case when p.contact_count = 1 then p.street else s.street end as street,
    case when p.contact_count > 1 then s.street_source when p.street is not null then p.source end
        as street_source,
    case when p.contact_count = 1 then p.city else s.city end as city,
    case when p.contact_count > 1 then s.city_source when p.city is not null then p.source end
        as city_source,
    case when p.contact_count = 1 then p.postcode else s.postcode end as postcode,
    case
        when p.contact_count > 1 then s.postcode_source when p.postcode is not null then p.source
    end as postcode_source,
    case when p.contact_count = 1 then p.region else s.region end as region,
    case when p.contact_count > 1 then s.region_source when p.region is not null then p.source end
        as region_source,
    case when p.contact_count = 1 then p.loyalty_number else s.loyalty_number end
        as loyalty_number,
    case
        when p.contact_count > 1 then s.loyalty_number_source
        when p.loyalty_number is not null then p.source
    end as loyalty_number_source,
    p.push_token,
    p.has_email_consent,
    p.has_sms_consent,
    p.created_at
from people as p
left join several as s on p.customer_id = s.customer_id

-- One row is a person. Each attribute is that of one of its contacts, which `<attribute>_source`
-- names: by the rule of identity.attribute_rules the most recent, the most trusted or the most
-- frequent. Consent is that of all contacts: who refused in one place has refused.
with
members as (
    select
        m.customer_id,
        c.*,
        -- The key settles a tie, so that the order of the contacts does not matter.
        row_number() over (
            partition by m.customer_id
            order by coalesce(c.updated_at, timestamp '1900-01-01') asc, c.contact_id asc
        ) as standing
    from identity.contact_customers as m
    inner join core.contacts as c on m.contact_id = c.contact_id
),
-- How often a customer's contacts say the same, where the rule asks for it.
told as (
    select m.customer_id, m.contact_id, 'email' as attribute, m.email as value
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'email' and r.rule = 'most_frequent' and m.email is not null
    union all
    select m.customer_id, m.contact_id, 'phone', m.phone
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'phone' and r.rule = 'most_frequent' and m.phone is not null
    union all
    select m.customer_id, m.contact_id, 'first_name', m.first_name
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'first_name' and r.rule = 'most_frequent' and m.first_name is not null
    union all
    select m.customer_id, m.contact_id, 'last_name', m.last_name
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'last_name' and r.rule = 'most_frequent' and m.last_name is not null
    union all
    select m.customer_id, m.contact_id, 'country', m.country
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'country' and r.rule = 'most_frequent' and m.country is not null
    union all
    select m.customer_id, m.contact_id, 'language', m.language
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'language' and r.rule = 'most_frequent' and m.language is not null
    union all
    select m.customer_id, m.contact_id, 'birth_date', cast(m.birth_date as varchar)
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'birth_date' and r.rule = 'most_frequent' and m.birth_date is not null
    union all
    select m.customer_id, m.contact_id, 'street', m.street
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'street' and r.rule = 'most_frequent' and m.street is not null
    union all
    select m.customer_id, m.contact_id, 'city', m.city
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'city' and r.rule = 'most_frequent' and m.city is not null
    union all
    select m.customer_id, m.contact_id, 'postcode', m.postcode
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'postcode' and r.rule = 'most_frequent' and m.postcode is not null
    union all
    select m.customer_id, m.contact_id, 'region', m.region
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'region' and r.rule = 'most_frequent' and m.region is not null
    union all
    select m.customer_id, m.contact_id, 'loyalty_number', m.loyalty_number
    from members as m
    inner join identity.attribute_rules as r on m.source = r.source
    where r.attribute = 'loyalty_number' and r.rule = 'most_frequent' and m.loyalty_number is not null
),
counted as (
    select
        contact_id,
        attribute,
        count(*) over (partition by customer_id, attribute, value) as place
    from told
),
-- What goes before the standing of a contact: the more trusted or frequent, the larger.
trusted as (
    select
        source,
        attribute,
        case when rule = 'most_trusted' then 99999 - rank end as place
    from identity.attribute_rules
),
ranks as (
    select
        source,
        max(case when attribute = 'email' then place end) as email,
        max(case when attribute = 'phone' then place end) as phone,
        max(case when attribute = 'first_name' then place end) as first_name,
        max(case when attribute = 'last_name' then place end) as last_name,
        max(case when attribute = 'country' then place end) as country,
        max(case when attribute = 'language' then place end) as language,
        max(case when attribute = 'birth_date' then place end) as birth_date,
        max(case when attribute = 'street' then place end) as street,
        max(case when attribute = 'city' then place end) as city,
        max(case when attribute = 'postcode' then place end) as postcode,
        max(case when attribute = 'region' then place end) as region,
        max(case when attribute = 'loyalty_number' then place end) as loyalty_number
    from trusted
    group by source
),
times as (
    select
        contact_id,
        max(case when attribute = 'email' then place end) as email,
        max(case when attribute = 'phone' then place end) as phone,
        max(case when attribute = 'first_name' then place end) as first_name,
        max(case when attribute = 'last_name' then place end) as last_name,
        max(case when attribute = 'country' then place end) as country,
        max(case when attribute = 'language' then place end) as language,
        max(case when attribute = 'birth_date' then place end) as birth_date,
        max(case when attribute = 'street' then place end) as street,
        max(case when attribute = 'city' then place end) as city,
        max(case when attribute = 'postcode' then place end) as postcode,
        max(case when attribute = 'region' then place end) as region,
        max(case when attribute = 'loyalty_number' then place end) as loyalty_number
    from counted
    group by contact_id
),
placed as (
    select
        m.*,
        coalesce(r.email, t.email, 0) * 1000000000 + m.standing as email_place,
        coalesce(r.phone, t.phone, 0) * 1000000000 + m.standing as phone_place,
        coalesce(r.first_name, t.first_name, 0) * 1000000000 + m.standing as first_name_place,
        coalesce(r.last_name, t.last_name, 0) * 1000000000 + m.standing as last_name_place,
        coalesce(r.country, t.country, 0) * 1000000000 + m.standing as country_place,
        coalesce(r.language, t.language, 0) * 1000000000 + m.standing as language_place,
        coalesce(r.birth_date, t.birth_date, 0) * 1000000000 + m.standing as birth_date_place,
        coalesce(r.street, t.street, 0) * 1000000000 + m.standing as street_place,
        coalesce(r.city, t.city, 0) * 1000000000 + m.standing as city_place,
        coalesce(r.postcode, t.postcode, 0) * 1000000000 + m.standing as postcode_place,
        coalesce(r.region, t.region, 0) * 1000000000 + m.standing as region_place,
        coalesce(r.loyalty_number, t.loyalty_number, 0) * 1000000000 + m.standing as loyalty_number_place
    from members as m
    left join ranks as r on m.source = r.source
    left join times as t on m.contact_id = t.contact_id
)
select
    customer_id,
    count(*) as contact_count,
    count(distinct source) as source_count,
    arg_max(source_contact_id, standing)
        filter (where not regexp_matches(source_contact_id, '^(email|phone):'))
        as source_contact_id,
    arg_max(email, email_place) filter (where email is not null) as email,
    arg_max(source, email_place) filter (where email is not null) as email_source,
    arg_max(phone, phone_place) filter (where phone is not null) as phone,
    arg_max(source, phone_place) filter (where phone is not null) as phone_source,
    arg_max(first_name, first_name_place) filter (where first_name is not null) as first_name,
    arg_max(source, first_name_place) filter (where first_name is not null) as first_name_source,
    arg_max(last_name, last_name_place) filter (where last_name is not null) as last_name,
    arg_max(source, last_name_place) filter (where last_name is not null) as last_name_source,
    arg_max(country, country_place) filter (where country is not null) as country,
    arg_max(source, country_place) filter (where country is not null) as country_source,
    arg_max(language, language_place) filter (where language is not null) as language,
    arg_max(source, language_place) filter (where language is not null) as language_source,
    arg_max(birth_date, birth_date_place) filter (where birth_date is not null) as birth_date,
    arg_max(source, birth_date_place) filter (where birth_date is not null) as birth_date_source,
    arg_max(street, street_place) filter (where street is not null) as street,
    arg_max(source, street_place) filter (where street is not null) as street_source,
    arg_max(city, city_place) filter (where city is not null) as city,
    arg_max(source, city_place) filter (where city is not null) as city_source,
    arg_max(postcode, postcode_place) filter (where postcode is not null) as postcode,
    arg_max(source, postcode_place) filter (where postcode is not null) as postcode_source,
    arg_max(region, region_place) filter (where region is not null) as region,
    arg_max(source, region_place) filter (where region is not null) as region_source,
    arg_max(loyalty_number, loyalty_number_place) filter (where loyalty_number is not null) as loyalty_number,
    arg_max(source, loyalty_number_place) filter (where loyalty_number is not null) as loyalty_number_source,
    arg_max(push_token, standing) filter (where push_token is not null) as push_token,
    bool_and(has_email_consent) as has_email_consent,
    bool_and(has_sms_consent) as has_sms_consent,
    min(created_at) as created_at
from placed
group by customer_id

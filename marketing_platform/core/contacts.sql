-- One row is one source's record of a person: from its list of contacts, or known only by an order, a
-- cart, an event, a payment, a message or a review. A guest who left an e-mail is a contact of that
-- e-mail.
with
mentions as (
    select
        source, contact_id, email, phone, first_name, last_name, country, language, birth_date,
        street, city, postcode, region, loyalty_number, push_token, has_email_consent,
        has_sms_consent, created_at, updated_at, is_deleted, 1 as is_listed,
        updated_at as changed_at
    from staging.contacts
    union all
    select
        source, contact_id, email, phone, first_name, last_name, country, null, null,
        street, city, postcode, region, null, null, null,
        null, ordered_at, ordered_at, null, 0, ordered_at
    from staging.orders
    where is_deleted is not true
    union all
    select
        source, contact_id, email, null, null, null, null, null, null,
        null, null, null, null, null, null, null,
        null, refunded_at, refunded_at, null, 0, refunded_at
    from staging.refunds
    union all
    select
        source, contact_id, email, phone, null, null, null, null, null,
        null, null, null, null, null, null, null,
        null, created_at, updated_at, null, 0, updated_at
    from staging.carts
    union all
    select
        source, contact_id, email, null, null, null, null, null, null,
        null, null, null, null, null, null, null,
        null, occurred_at, occurred_at, null, 0, occurred_at
    from staging.events
    union all
    select
        source, contact_id, email, null, null, null, null, null, null,
        null, null, null, null, null, null, null,
        null, paid_at, paid_at, null, 0, paid_at
    from staging.payments
    union all
    -- That a tool wrote to an address makes it no newer than what the person told elsewhere.
    select
        source, contact_id, email, phone, null, null, null, null, null,
        null, null, null, null, null, null, null,
        null, occurred_at, occurred_at, null, 0, null
    from staging.engagements
    union all
    select
        source, contact_id, email, null, null, null, null, null, null,
        null, null, null, null, null, null, null,
        null, reviewed_at, reviewed_at, null, 0, reviewed_at
    from staging.reviews
),
languages as (
    select distinct
        language as language_text,
        regexp_replace(lower(trim(translate(language, '_', '-'))), '[.@].*$', '') as tag
    from staging.contacts
    where language is not null
),
tags as (
    select
        language_text,
        case when tag like '%-%' then split_part(tag, '-', 1) else tag end as name,
        regexp_extract(tag, '^[a-z]+-([a-z]{4})(-|$)', 1) as script,
        upper(regexp_extract(tag, '-([a-z]{2}|[0-9]{3})$', 1)) as region
    from languages
),
-- BCP 47: a language, its script where told, its region where told (`de`, `zh-Hant-TW`).
known_languages as (
    select
        t.language_text,
        concat(
            n.language,
            case
                when t.script <> ''
                    then concat('-', upper(substr(t.script, 1, 1)), substr(t.script, 2))
                else ''
            end,
            case when t.region <> '' then concat('-', t.region) else '' end
        ) as language
    from tags as t
    inner join core.language_names as n on t.name = n.name
),
keyed as (
    select
        -- That of the contact, which another source may name.
        split_part(m.contact_id, ':', 1) as source,
        m.contact_id,
        nullif(trim(m.first_name), '') as first_name,
        nullif(trim(m.last_name), '') as last_name,
        n.country,
        l.language,
        m.birth_date,
        nullif(trim(m.street), '') as street,
        nullif(trim(m.city), '') as city,
        nullif(upper(trim(m.postcode)), '') as postcode,
        nullif(trim(m.region), '') as region,
        nullif(upper(trim(m.loyalty_number)), '') as loyalty_number,
        nullif(trim(m.push_token), '') as push_token,
        m.has_email_consent,
        m.has_sms_consent,
        m.created_at,
        m.changed_at,
        m.is_listed,
        m.is_deleted,
        -- As text it is in order of time: no moment before all others, a fraction after the blank.
        concat(
            cast(m.is_listed as varchar), coalesce(cast(m.updated_at as varchar), '0000'), ' '
        ) as standing,
        nullif(lower(trim(m.email)), '') as clean_email,
        coalesce(
            p.phone, regexp_replace(translate(trim(m.phone), ' ()-./', ''), '^00', '+')
        ) as plain_phone
    from mentions as m
    left join core.country_names as n on lower(trim(m.country)) = n.name
    left join known_languages as l on m.language = l.language_text
    left join core.phones as p
        on m.phone = p.phone_text and coalesce(m.country, '') = coalesce(p.country_text, '')
    where m.contact_id is not null
),
-- An address is taken whole: a street of one and a town of another are nobody's.
homes as (
    select
        contact_id,
        street,
        city,
        postcode,
        region,
        row_number() over (
            partition by contact_id
            order by standing desc, street desc, city desc, postcode desc, region desc
        ) as place
    from keyed
    where coalesce(street, city, postcode, region) is not null
),
merged as (
    select
        contact_id,
        source,
        -- The list of contacts wins over what an order says, and the latest word over earlier ones.
        -- The value itself settles a tie, so that the order of the records does not matter.
        arg_max(clean_email, concat(standing, clean_email)) filter (where clean_email is not null)
            as email,
        arg_max(plain_phone, concat(standing, plain_phone))
            filter (where regexp_matches(plain_phone, '^[+]?[0-9]{6,15}$')) as phone,
        arg_max(first_name, concat(standing, first_name)) filter (where first_name is not null)
            as first_name,
        arg_max(last_name, concat(standing, last_name)) filter (where last_name is not null)
            as last_name,
        arg_max(country, concat(standing, country)) filter (where country is not null) as country,
        arg_max(language, concat(standing, language)) filter (where language is not null)
            as language,
        arg_max(birth_date, concat(standing, cast(birth_date as varchar)))
            filter (where birth_date is not null) as birth_date,
        arg_max(loyalty_number, concat(standing, loyalty_number))
            filter (where loyalty_number is not null) as loyalty_number,
        arg_max(push_token, concat(standing, push_token)) filter (where push_token is not null)
            as push_token,
        bool_and(has_email_consent) as has_email_consent,
        bool_and(has_sms_consent) as has_sms_consent,
        min(created_at) as created_at,
        max(changed_at) as updated_at,
        coalesce(bool_or(is_deleted), false) as is_deleted,
        max(is_listed) = 1 as is_listed
    from keyed
    group by contact_id, source
),
-- It is agreed to for an address: where a source has the keys of another one, its word may have put
-- another address in the place of that. Whoever sends a site's calls can say what they like.
agreed as (
    select
        k.contact_id,
        bool_or(k.has_email_consent and coalesce(k.clean_email = m.email, true)) as is_for_email,
        bool_or(k.has_sms_consent and coalesce(k.plain_phone = m.phone, true)) as is_for_phone
    from keyed as k
    inner join merged as m on k.contact_id = m.contact_id
    where k.has_email_consent or k.has_sms_consent
    group by k.contact_id
),
-- A day on which one in two hundred of all were born is what a form or a system fills in, and nobody's:
-- the 1st of January of 1900 or 1970.
filled_in as (
    select b.birth_date
    from (
        select birth_date, count(*) as born_count, sum(count(*)) over () as told_count
        from merged
        where birth_date is not null
        group by birth_date
    ) as b
    where b.born_count >= 20 and b.born_count * 200 >= b.told_count
),
-- The last word of a person on a channel: who left it stays away until they come back, which at the same
-- moment they have not. A phone that is gone counts as long as it is theirs; whether the e-mail is gone
-- that a person has is for profiles to say, as another contact may have told a newer one.
words as (
    select
        e.contact_id,
        case when e.channel = 'email' then 'email' else 'sms' end as channel,
        arg_max(
            e.engagement <> 'resubscribed',
            concat(
                cast(e.occurred_at as varchar),
                case when e.engagement = 'resubscribed' then ' 0' else ' 1' end
            )
        ) as has_left
    from staging.engagements as e
    left join merged as m on e.contact_id = m.contact_id
    left join core.phones as p on e.phone = p.phone_text and p.country_text is null
    where
        e.channel in ('email', 'sms')
        and (
            e.engagement in ('unsubscribed', 'complained', 'replied_stop', 'resubscribed')
            or (
                e.channel = 'sms'
                and e.engagement = 'bounced'
                and e.bounce_type = 'hard'
                and coalesce(p.phone = m.phone, true)
            )
        )
    group by 1, 2
),
addresses as (
    select
        contact_id, source, 'email' as channel, email as address,
        has_email_consent as has_consent, is_listed, is_deleted
    from merged
    where email is not null
    union all
    select contact_id, source, 'sms', phone, has_sms_consent, is_listed, is_deleted
    from merged
    where phone is not null
),
left_addresses as (
    -- Who is known by an address alone speaks for it: so for all who have it, be it a family's phone.
    select a.channel, a.address
    from addresses as a
    inner join words as w on a.contact_id = w.contact_id and a.channel = w.channel
    where
        w.has_left
        and substr(a.contact_id, length(a.source) + 2)
        like case when a.channel = 'email' then 'email:%' else 'phone:%' end
    union
    -- Who had left when their record was deleted has not come back by that. Where their source lists
    -- the address again, it says of it what is so now.
    select gone.channel, gone.address
    from addresses as gone
    left join words as w on gone.contact_id = w.contact_id and gone.channel = w.channel
    left join addresses as again
        on
            gone.source = again.source
            and gone.channel = again.channel
            and gone.address = again.address
            and again.is_listed
            and not again.is_deleted
    where
        gone.is_deleted
        and again.contact_id is null
        and (w.has_left or not gone.has_consent)
)
select
    m.contact_id,
    m.source,
    substr(m.contact_id, length(m.source) + 2) as source_contact_id,
    m.email,
    m.phone,
    m.first_name,
    m.last_name,
    m.country,
    m.language,
    case when f.birth_date is null then m.birth_date end as birth_date,
    h.street,
    h.city,
    h.postcode,
    h.region,
    m.loyalty_number,
    m.push_token,
    case
        when e.has_left or a.address is not null then false
        when not m.has_email_consent or g.is_for_email then m.has_email_consent
    end as has_email_consent,
    case
        when s.has_left or p.address is not null then false
        when not m.has_sms_consent or g.is_for_phone then m.has_sms_consent
    end as has_sms_consent,
    m.created_at,
    m.updated_at
from merged as m
left join homes as h on m.contact_id = h.contact_id and h.place = 1
left join filled_in as f on m.birth_date = f.birth_date
left join agreed as g on m.contact_id = g.contact_id
left join words as e on m.contact_id = e.contact_id and e.channel = 'email'
left join words as s on m.contact_id = s.contact_id and s.channel = 'sms'
left join left_addresses as a on m.email = a.address and a.channel = 'email'
left join left_addresses as p on m.phone = p.address and p.channel = 'sms'
where not m.is_deleted

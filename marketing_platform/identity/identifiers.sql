-- One row is an identifier of a contact, and whether it ties the contact to others that have it. An
-- obvious fake ties nobody, nor does what more contacts share than `identity.shared_by` allows: a
-- till's phone, a marketplace's address. A phone, a card or a loyalty number that people of different
-- given names have is a family's: it ties those of one given name. A contact's own key is an
-- identifier too.
with
addresses as (
    select
        contact_id,
        split_part(email, '@', 1) as mailbox,
        case split_part(email, '@', 2)
            when 'googlemail.com' then 'gmail.com'
            when 'gmial.com' then 'gmail.com'
            when 'gmai.com' then 'gmail.com'
            when 'gamil.com' then 'gmail.com'
            when 'gnail.com' then 'gmail.com'
            when 'gmail.con' then 'gmail.com'
            when 'gmail.co' then 'gmail.com'
            when 'gmail.de' then 'gmail.com'
            when 'hotmial.com' then 'hotmail.com'
            when 'hotmal.com' then 'hotmail.com'
            when 'hotmai.com' then 'hotmail.com'
            when 'hotmail.con' then 'hotmail.com'
            when 'yaho.com' then 'yahoo.com'
            when 'yahooo.com' then 'yahoo.com'
            when 'yahoo.con' then 'yahoo.com'
            when 'outlok.com' then 'outlook.com'
            when 'outloo.com' then 'outlook.com'
            when 'outlook.con' then 'outlook.com'
            when 'iclod.com' then 'icloud.com'
            when 'icloud.con' then 'icloud.com'
            else split_part(email, '@', 2)
        end as domain,
        -- As they are written in an address.
        replace(
            replace(
                replace(
                    replace(lower(concat(' ', first_name, ' ', last_name, ' ')), 'ä', 'ae'),
                    'ö', 'oe'
                ),
                'ü', 'ue'
            ),
            'ß', 'ss'
        ) as names
    from core.contacts
    where email like '%_@_%'
),
domains as (
    select domain, count(*) as contact_count from addresses group by domain
),
-- Two letters changed places in a domain that many others have: exmaple.com.
mistyped as (
    select rare.domain, any_value(usual.domain) as usual_domain
    from domains as rare
    inner join domains as usual
        on
            length(rare.domain) = length(usual.domain)
            and usual.contact_count >= 50
            and usual.contact_count >= 10 * rare.contact_count
            and substr(rare.domain, 1, 1) = substr(usual.domain, 1, 1)
    where
        rare.domain <> usual.domain
        and length(rare.domain) >= 6
        and damerau_levenshtein(rare.domain, usual.domain) = 1
        and hamming(rare.domain, usual.domain) = 2
    group by rare.domain
    having count(*) = 1
),
mailboxes as (
    select
        a.contact_id,
        coalesce(m.usual_domain, a.domain) as domain,
        -- A mailbox of which nothing would be left is taken as it is: +4915112345678@...
        coalesce(
            case
                when a.domain = 'gmail.com'
                    then nullif(replace(split_part(a.mailbox, '+', 1), '.', ''), '')
                else nullif(split_part(a.mailbox, '+', 1), '')
            end,
            a.mailbox
        ) as mailbox,
        strpos(a.names, concat(' ', split_part(a.mailbox, '+', 1), ' ')) > 0 as is_their_name,
        f.domain is not null as is_disposable
    from addresses as a
    left join mistyped as m on a.domain = m.domain
    left join identity.disposable_domains as f on a.domain = f.domain
),
told as (
    select
        contact_id,
        'email' as kind,
        concat(mailbox, '@', domain) as value,
        case
            when is_disposable then 'disposable domain'
            when
                mailbox in (
                    'asdf', 'asdfasdf', 'asd', 'qwerty', 'none', 'noemail', 'nomail', 'noreply',
                    'no-reply', 'donotreply', 'do-not-reply', 'unknown', 'anonymous', 'fake'
                )
                -- Who has a domain of their name may well have a mailbox of it.
                or (mailbox = split_part(domain, '.', 1) and not is_their_name)
                or (
                    mailbox in ('test', 'tester', 'testing', 'abc', 'aaa', 'xxx', 'user', 'email')
                    and split_part(domain, '.', 1) in (
                        'test', 'testing', 'example', 'email', 'mail', 'abc', 'aaa', 'xxx', 'none'
                    )
                )
                then 'obvious fake'
        end as fake_reason
    from mailboxes
    union all
    select
        contact_id,
        'phone' as kind,
        phone as value,
        case
            -- Shorter ones are extensions or placeholders.
            when length(phone) < 8 then 'too short'
            when
                regexp_matches(
                    phone,
                    '(0000000|1111111|2222222|3333333|4444444|5555555|6666666|7777777|8888888|9999999)$'
                )
                or regexp_matches(phone, '(012345678|123456789|1234567890)$')
                then 'obvious fake'
        end as fake_reason
    from core.contacts
    where phone is not null
    union all
    select contact_id, 'loyalty' as kind, loyalty_number as value, null as fake_reason
    from core.contacts
    where loyalty_number is not null
    union all
    select p.contact_id, 'card' as kind, p.card_fingerprint as value, null as fake_reason
    from core.payments as p
    inner join core.contacts as c on p.contact_id = c.contact_id
    where p.card_fingerprint is not null
    group by 1, 3
),
counted as (
    select
        t.contact_id,
        t.kind,
        t.value,
        t.contact_count,
        coalesce(
            t.fake_reason,
            case when t.contact_count > l.shared_by then 'shared by too many' end
        ) as unused_reason
    from (
        select *, count(*) over (partition by kind, value) as contact_count
        from told
    ) as t
    inner join identity.limits as l on t.kind = l.kind
),
names as (
    select
        contact_id,
        trim(replace(replace(lower(first_name), '.', ''), ',', '')) as given_name,
        trim(lower(last_name)) as family_name
    from core.contacts
    where trim(replace(first_name, '.', '')) <> ''
),
-- The given names that share something, each with the family names it is seen with.
named as (
    select distinct
        i.kind,
        i.value,
        n.given_name,
        n.family_name
    from counted as i
    inner join names as n on i.contact_id = n.contact_id
    where i.kind <> 'email' and i.contact_count > 1 and i.unused_reason is null
),
-- Two names are of two people unless one begins as the other (Alex, Alexander; A.) or has it as a
-- word (Dr. Ann, Lee Ann), or they are nearly alike, or given and family name have changed places.
families as (
    select distinct a.kind, a.value
    from named as a
    inner join named as b
        on a.kind = b.kind and a.value = b.value and a.given_name < b.given_name
    where
        substr(b.given_name, 1, length(a.given_name)) <> a.given_name
        and substr(a.given_name, 1, length(b.given_name)) <> b.given_name
        and strpos(concat(' ', a.given_name, ' '), concat(' ', b.given_name, ' ')) = 0
        and strpos(concat(' ', b.given_name, ' '), concat(' ', a.given_name, ' ')) = 0
        and not (
            substr(a.given_name, 1, 1) = substr(b.given_name, 1, 1)
            and levenshtein(a.given_name, b.given_name)
            <= greatest(1, least(length(a.given_name), length(b.given_name)) / 3)
        )
        and coalesce(a.given_name <> b.family_name, true)
        and coalesce(b.given_name <> a.family_name, true)
)
select
    i.contact_id,
    i.kind,
    i.value,
    i.contact_count,
    coalesce(
        i.unused_reason,
        case when f.value is not null then 'people of different names' end
    ) as unused_reason
from counted as i
left join families as f on i.kind = f.kind and i.value = f.value
union all
select
    i.contact_id,
    i.kind,
    concat(i.value, ' ', n.given_name) as value,
    count(*) over (partition by i.kind, i.value, n.given_name) as contact_count,
    null as unused_reason
from counted as i
inner join families as f on i.kind = f.kind and i.value = f.value
inner join names as n on i.contact_id = n.contact_id
where i.unused_reason is null
union all
select
    contact_id,
    'source_id' as kind,
    contact_id as value,
    1 as contact_count,
    null as unused_reason
from core.contacts

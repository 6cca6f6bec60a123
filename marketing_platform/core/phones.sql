-- One row is a phone as it came, with the country that came beside it, and its E.164 form; null
-- where it cannot be a phone number.
with
came as (
    select phone as phone_text, country as country_text
    from staging.contacts
    where phone <> ''
    union
    select phone, country
    from staging.orders
    where phone <> ''
    union
    select phone, null
    from staging.carts
    where phone <> ''
    union
    select phone, null
    from staging.engagements
    where phone <> ''
),
plain as (
    select
        came.phone_text,
        came.country_text,
        coalesce(names.country, home.country) as country,
        translate(
            -- An extension is not dialled from outside.
            regexp_replace(
                regexp_replace(lower(came.phone_text), '^ *tel:', ''), '(;|,|x|ext|#).*$', ''
            ),
            '   ()[]{}-‐‑‒–—./_*', ''
        ) as phone
    from came
    left join core.country_names as names on lower(trim(came.country_text)) = names.name
    left join core.countries as home on home.is_shop_country
),
dialled as (
    select
        plain.*,
        case
            when plain.phone like '+%' then substr(plain.phone, 2)
            when starts_with(plain.phone, here.international_prefix)
                then substr(plain.phone, length(here.international_prefix) + 1)
            when plain.phone like '00%' then substr(plain.phone, 3)
            -- The plus was left out: too long for a number of the country, even with its prefix.
            when
                starts_with(plain.phone, here.calling_code)
                and length(plain.phone)
                > here.maximum_length + length(coalesce(here.trunk_prefix, ''))
                then plain.phone
        end as world_number
    from plain
    left join core.countries as here on plain.country = here.country
    where regexp_matches(plain.phone, '^[+]?[0-9]{4,20}$')
),
split as (
    select
        phone_text,
        country_text,
        country,
        world_number,
        -- Calling codes are one digit in zones 1 and 7, two in these, and three everywhere else.
        substr(
            world_number, 1,
            case
                when regexp_matches(world_number, '^[17]') then 1
                when regexp_matches(
                    world_number,
                    '^(20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])'
                ) then 2
                else 3
            end
        ) as world_code,
        phone as local_number
    from dialled
),
placed as (
    select
        split.phone_text,
        split.country_text,
        case
            when split.world_number is null then split.country
            else main_country.country
        end as country,
        case
            when split.world_number is null then split.local_number
            else substr(split.world_number, length(split.world_code) + 1)
        end as national_number
    from split
    left join core.countries as main_country
        on split.world_code = main_country.calling_code and main_country.is_main_of_calling_code
),
national as (
    select
        placed.phone_text,
        placed.country_text,
        countries.calling_code,
        countries.minimum_length,
        countries.maximum_length,
        -- Where nothing is left of it, the digit is no prefix but the number's own first.
        case
            when
                starts_with(placed.national_number, countries.trunk_prefix)
                and length(placed.national_number) - length(countries.trunk_prefix)
                >= countries.minimum_length
                then substr(placed.national_number, length(countries.trunk_prefix) + 1)
            else placed.national_number
        end as significant_number
    from placed
    inner join core.countries as countries on placed.country = countries.country
)
select
    came.phone_text,
    came.country_text,
    case
        when length(national.significant_number)
            between national.minimum_length and national.maximum_length
            then concat('+', national.calling_code, national.significant_number)
    end as phone
from came
left join national
    on
        came.phone_text = national.phone_text
        and coalesce(came.country_text, '') = coalesce(national.country_text, '')

-- One row is a rule that holds some members out: what those who were told bought within 14 days, beside
-- those who were held out by chance. Who was told before anybody was held out is in neither group, nor
-- who has been in both, nor whose 14 days are not over. Intervals hold 95 of 100 true differences:
-- of shares after Agresti and Caffo (2000), of amounts by the normal distribution.
with
begun as (
    select destination, audience, min(held_out_at) as begun_at
    from activation.exposures
    group by destination, audience
),
people as (
    select
        e.destination,
        e.audience,
        e.customer_id,
        e.told_at is null as is_held_out,
        coalesce(e.told_at, e.held_out_at) as exposed_at
    from activation.exposures as e
    cross join core.clock as k
    inner join begun as b on e.destination = b.destination and e.audience = b.audience
    where
        (e.told_at is null or e.held_out_at is null)
        and coalesce(e.told_at, e.held_out_at) >= b.begun_at
        and date_diff('second', coalesce(e.told_at, e.held_out_at), k.as_of) >= 1209600
),
bought as (
    select
        p.destination,
        p.audience,
        p.customer_id,
        p.is_held_out,
        case when count(o.order_id) > 0 then 1.0 else 0.0 end as has_bought,
        cast(coalesce(sum(o.net_amount), 0) as double) as amount
    from people as p
    left join profiles.orders as o
        on
            p.customer_id = o.customer_id
            and date_diff('second', p.exposed_at, o.ordered_at) > 0
            and date_diff('second', p.exposed_at, o.ordered_at) <= 1209600
    group by p.destination, p.audience, p.customer_id, p.is_held_out
),
counted as (
    select
        b.destination,
        b.audience,
        count(case when not p.is_held_out then 1 end) as told_count,
        count(case when p.is_held_out then 1 end) as held_out_count,
        coalesce(sum(case when not p.is_held_out then p.has_bought end), 0.0) as told_buyers,
        coalesce(sum(case when p.is_held_out then p.has_bought end), 0.0) as held_out_buyers,
        avg(case when not p.is_held_out then p.amount end) as told_amount,
        avg(case when p.is_held_out then p.amount end) as held_out_amount,
        var_samp(case when not p.is_held_out then p.amount end) as told_variance,
        var_samp(case when p.is_held_out then p.amount end) as held_out_variance
    from begun as b
    left join bought as p on b.destination = p.destination and b.audience = p.audience
    group by b.destination, b.audience
),
shares as (
    select
        *,
        (told_buyers + 1) / (told_count + 2) as told_share,
        (held_out_buyers + 1) / (held_out_count + 2) as held_out_share,
        sqrt(told_variance / told_count + held_out_variance / held_out_count) as amount_error
    from counted
),
measured as (
    select
        *,
        told_share - held_out_share as difference,
        1.96 * sqrt(
            told_share * (1 - told_share) / (told_count + 2)
            + held_out_share * (1 - held_out_share) / (held_out_count + 2)
        ) as margin
    from shares
)
select
    destination,
    audience,
    told_count,
    held_out_count,
    case when told_count > 0 then told_buyers / told_count end as told_buyer_share,
    case when held_out_count > 0 then held_out_buyers / held_out_count end as held_out_buyer_share,
    difference - margin as low_share_difference,
    difference + margin as high_share_difference,
    told_amount as told_mean_amount,
    held_out_amount as held_out_mean_amount,
    told_amount - held_out_amount - 1.96 * amount_error as low_amount_difference,
    told_amount - held_out_amount + 1.96 * amount_error as high_amount_difference,
    case
        when least(told_count, held_out_count) < 30 then 'too few yet'
        when difference - margin > 0 then 'more of them buy than without'
        when difference + margin < 0 then 'fewer of them buy than without'
        else 'no difference that is certain'
    end as finding
from measured

-- One row is a customer who wrote a review, up to the clock.
select
    m.customer_id,
    -- Reviews written.
    count(*) as review_count,
    -- Reviews with four or five stars in the last 365 days.
    count(*) filter (
        where
            v.rating >= 4
            and date_diff('day', coalesce(v.review_date, cast(v.reviewed_at as date)), k.as_of_date)
            < 365
    ) as recommended_365d_count,
    -- Mean of the stars, 1 to 5; null where none were given.
    avg(v.rating) as average_rating,
    -- Stars of the last review that gave any.
    arg_max(v.rating, concat(cast(v.reviewed_at as varchar), v.review_id))
        filter (where v.rating is not null) as last_rating,
    -- Last review.
    max(v.reviewed_at) as last_reviewed_at
from core.reviews as v
cross join core.clock as k
inner join identity.contact_customers as m on v.contact_id = m.contact_id
where v.reviewed_at <= k.as_of
group by m.customer_id

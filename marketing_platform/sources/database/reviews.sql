-- One row is a review, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_review_id is null then 'no key'
        when reviewed_at is null then 'no date'
        when rating not between 1 and 5 then 'not 1 to 5 stars'
    end as quarantine_reason,
    source_review_id,
    source_contact_id,
    email,
    source_product_id,
    rating,
    is_verified,
    is_published,
    reviewed_at,
    review_date,
    updated_at,
    is_deleted
from raw.database_reviews

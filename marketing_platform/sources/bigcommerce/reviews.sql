-- One version of a review; no stars are told as zero, no e-mail as an empty text.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when review_id is null then 'no key'
        when reviewed_at is null then 'no date'
        when rating not between 0 and 5 then 'not 1 to 5 stars'
    end as quarantine_reason,
    review_id as source_review_id,
    email,
    product_id as source_product_id,
    nullif(rating, 0) as rating,
    status = 'approved' as is_published,
    reviewed_at,
    review_date,
    updated_at
from raw.bigcommerce_reviews

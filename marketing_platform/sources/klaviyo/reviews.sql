-- One version of a review of a product or of the shop.
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
        when review_type = 'question' then 'a question'
        when rating not between 1 and 5 then 'not 1 to 5 stars'
    end as quarantine_reason,
    review_id as source_review_id,
    email,
    product_id as source_product_id,
    rating,
    is_verified,
    status in ('published', 'featured') as is_published,
    reviewed_at,
    review_date,
    updated_at,
    -- The shop has found that it is none.
    status = 'rejected' as is_deleted
from raw.klaviyo_reviews

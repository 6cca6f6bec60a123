-- One row is what a person said of a product, or of the shop, in stars; the words are not kept.
select
    concat(source, ':', source_review_id) as review_id,
    source,
    contact_id,
    source || ':' || source_product_id as product_id,
    rating,
    is_verified,
    is_published,
    reviewed_at,
    review_date,
    updated_at
from staging.reviews
where is_deleted is not true

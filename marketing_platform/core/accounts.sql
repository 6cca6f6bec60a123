-- One row is a company.
select
    concat(source, ':', source_account_id) as account_id,
    source,
    title,
    domain,
    industry,
    country,
    updated_at
from staging.accounts
where is_deleted is not true

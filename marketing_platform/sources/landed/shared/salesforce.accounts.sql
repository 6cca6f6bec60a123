-- A company.
select
    id as source_account_id,
    name as title,
    website as domain,
    industry,
    coalesce(billingcountrycode, billingcountry) as country,
    coalesce(systemmodstamp, lastmodifieddate) as updated_at,
    coalesce(try_cast(isdeleted as boolean), false) as is_deleted
from account

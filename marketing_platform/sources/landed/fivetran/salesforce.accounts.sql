-- A company.
select
    id as source_account_id,
    name as title,
    website as domain,
    industry,
    coalesce(billing_country_code, billing_country) as country,
    coalesce(system_modstamp, _fivetran_synced) as updated_at,
    coalesce(cast(is_deleted as boolean), false) as is_deleted
from account

-- One row is a record that was held back, with the reason and the record as it came.
select
    'files' as source,
    'orders' as stream,
    s.record_id,
    r.line_number,
    s.received_date,
    s.quarantine_reason as reason,
    r.payload
from staging.files_orders as s
inner join raw.files_orders as r on s.record_id = r.record_id
where s.outcome = 'quarantined'
union all
select
    'files' as source,
    'contacts' as stream,
    s.record_id,
    r.line_number,
    s.received_date,
    s.quarantine_reason as reason,
    r.payload
from staging.files_contacts as s
inner join raw.files_contacts as r on s.record_id = r.record_id
where s.outcome = 'quarantined'
union all
select
    'files' as source,
    'products' as stream,
    s.record_id,
    r.line_number,
    s.received_date,
    s.quarantine_reason as reason,
    r.payload
from staging.files_products as s
inner join raw.files_products as r on s.record_id = r.record_id
where s.outcome = 'quarantined'
union all
select
    'files' as source,
    'events' as stream,
    s.record_id,
    r.line_number,
    s.received_date,
    s.quarantine_reason as reason,
    r.payload
from staging.files_events as s
inner join raw.files_events as r on s.record_id = r.record_id
where s.outcome = 'quarantined'
union all
select
    'files' as source,
    'ad_performance' as stream,
    s.record_id,
    r.line_number,
    s.received_date,
    s.quarantine_reason as reason,
    r.payload
from staging.files_ad_performance as s
inner join raw.files_ad_performance as r on s.record_id = r.record_id
where s.outcome = 'quarantined'

-- One row is a record that was held back, with the reason and the record as it came.
select
    s.source,
    s.stream,
    s.record_id,
    r.line_number,
    s.received_date,
    s.quarantine_reason as reason,
    r.payload
from staging.records as s
inner join raw.records as r
    on s.source = r.source and s.stream = r.stream and s.record_id = r.record_id
where s.outcome = 'quarantined'

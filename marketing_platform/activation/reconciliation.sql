-- One row is a destination and a day: the messages that the ledger says were sent to people, beside
-- those that the destination has told of. A destination that has told of the way of none is not
-- judged: no source brings its answers, or brings what people did alone, which not all do.
with
told as (
    select destination, count(carried_at) > 0 as tells
    from activation.outcomes
    group by destination
)
select
    o.destination,
    o.sent_date,
    count(*) as sent_count,
    count(o.first_told_at) as told_count,
    count(*) - count(o.first_told_at) as missing_count,
    bool_or(t.tells) and date_diff('day', o.sent_date, max(k.as_of_date)) >= 2 as is_due
from activation.outcomes as o
inner join told as t on o.destination = t.destination
cross join core.clock as k
group by o.destination, o.sent_date

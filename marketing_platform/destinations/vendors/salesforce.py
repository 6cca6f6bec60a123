"""Salesforce: contacts by an external id, a checkbox for each segment, platform events, tasks.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest, sObject Collections: at
most 200 records a call, each answered for; Composite: at most 25 requests a call. A task and an
event cannot be known again: an unknown outcome is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import one_line, read_json, stop
from marketing_platform.destinations.base import (
    IDENTIFYING,
    Answer,
    Batch,
    EventName,
    Place,
    Row,
    RowAnswer,
    RowStatus,
)
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Unusual,
    complete,
    in_parts,
    part_by_part,
)
from marketing_platform.destinations.people import (
    NotTold,
    flat,
    known,
    only_known_by,
    render,
    split,
)
from marketing_platform.settings import ActivationRule
from marketing_platform.sources.oauth import OAuth2, TokenAuth
from marketing_platform.state import utc_now

_STANDARD = {
    "email": "Email",
    "phone": "Phone",
    "first_name": "FirstName",
    "last_name": "LastName",
    "city": "MailingCity",
    "region": "MailingState",
    "postcode": "MailingPostalCode",
    "birth_date": "Birthdate",
}
_COUNTRY, _COUNTRY_CODE = "MailingCountry", "MailingCountryCode"
_MISSING = 404
_SUBREQUESTS = 25
_TAKEN_BACK = "REQUEST_LIMIT_EXCEEDED"
# What is of the moment and not of the record: somebody else writes it or one that it belongs to,
# the hour's events or the org's storage are used up, the bus of events is down.
_PASSING = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "LIMIT_EXCEEDED",
        "STORAGE_LIMIT_EXCEEDED",
        "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE",
        _TAKEN_BACK,
    }
)


class SalesforceDestination(HttpSettings):
    """`base_url` is the instance, `https://SHOP.my.salesforce.com`; a connected app's client.

    `external_id` is the field of contacts that holds our customer id, marked unique and external
    id. Attributes without a field of Salesforce go to custom fields: `order_count__c`.
    """

    base_url: str = Field(repr=False, min_length=1)
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    external_id: str = Field(default="Customer_Id__c", pattern=r"^[A-Za-z]\w*$")
    api_version: str = Field(default="v66.0", pattern=r"^v\d+\.\d$")
    batch_size: int = Field(default=200, ge=1, le=200)
    # Flows and triggers of the org run on each record before it answers.
    timeout_seconds: float = Field(default=120.0, gt=0)

    def make_auth(self) -> TokenAuth:
        """The tokens of the connected app."""
        return OAuth2(
            f"{self.base_url.rstrip('/')}/services/oauth2/token",
            self.client_id,
            self.client_secret,
            self.refresh_token,
        )


class Salesforce(HttpDestination):
    """An audience is a checkbox of contacts: the field `audience`, or `Segment_<name>__c`."""

    modes = ("audience", "event", "task")
    event = EventName("the API name of a platform event, such as Left_Cart__e", r"\w+__e")
    repeatable = ("audience",)

    def __init__(self, name: str, settings: SalesforceDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings
        self._country = _COUNTRY

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """A 403 may say that the day's calls are used up, which a later run can mend."""
        if response.status_code == 403 and _TAKEN_BACK in response.text:
            return Answer("retry", "403 the day's calls are used up", is_counted=False)
        return None

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for all rows; what became of each stands in their order.

        What only needs to be written otherwise is asked again.
        """
        base = f"/services/data/{self._settings.api_version}/composite/sobjects"
        if rule.task is not None:
            return (yield from self._tasks(f"{base}", batch.rows, rule))
        if rule.event is not None:
            return (yield from self._events(batch.rows, rule.event))
        field = rule.audience or f"Segment_{rule.label}__c"
        records = [self._contact(row, field) for row in batch.rows]
        path = f"{base}/Contact/{self._settings.external_id}"
        told: dict[str, RowAnswer] = {}
        asked = list(zip(batch.rows, records, strict=True))
        while asked:
            content = {"allOrNone": False, "records": [record for _, record in asked]}
            results = read_json((yield Call(path, content, "PATCH")))
            told |= _results([row for row, _ in asked], results)
            again = []
            for (row, record), result in zip(asked, results, strict=False):
                if row.operation == "remove":
                    # It is told of by an id alone, by which no contact can be made: it is gone.
                    told |= {row.key: RowAnswer("ok")} if _lacks_a_field(result) else {}
                elif mended := self._mended(record, result):
                    again.append((row, mended))
            asked = again
        return complete(batch.rows, told)

    def _tasks(self, path: str, rows: Sequence[Row], rule: ActivationRule) -> Exchange:
        told: dict[str, RowAnswer] = {}
        records, asked = [], []
        for row in rows:
            try:
                records.append(self._task(row, rule))
                asked.append(row)
            except NotTold as error:
                told[row.key] = RowAnswer("error", str(error))
        if records:
            response = yield Call(path, {"allOrNone": False, "records": records})
            told.update(_results(asked, read_json(response)))
        return complete(rows, told)

    def _events(self, rows: Sequence[Row], event: str) -> Exchange:
        """Platform events start flows; their fields are the attributes as custom fields."""
        version = f"/services/data/{self._settings.api_version}"

        def call(part: Sequence[Row]) -> Call:
            requests = [
                {
                    "method": "POST",
                    "url": f"{version}/sobjects/{event}/",
                    "referenceId": f"row{number}",
                    "body": self._event(row),
                }
                for number, row in enumerate(part)
            ]
            content = {"allOrNone": False, "compositeRequest": requests}
            return Call(f"{version}/composite", content)

        def read(part: Sequence[Row], response: httpx.Response) -> dict[str, RowAnswer]:
            answers = read_json(response)["compositeResponse"]
            if all(one.get("httpStatusCode") == _MISSING for one in answers):
                # It is the event that is not there, and none of these rows.
                told = stop(f"has no platform event {event}")
                raise Unusual(replace(told, is_of_audience=True))
            return _results(part, [_flat(one) for one in answers])

        return (yield from part_by_part(in_parts(rows, _SUBREQUESTS), call, read))

    def _event(self, row: Row) -> dict[str, Any]:
        told = flat(row.payload)
        values = {f"{n}__c": v for n, v in told.items() if n not in IDENTIFYING}
        return {self._settings.external_id: row.customer_id, **known(values)}

    def _contact(self, row: Row, field: str) -> dict[str, Any]:
        if row.operation == "remove":
            row = only_known_by(row)
        standard, rest = split(row, {**_STANDARD, "country": self._country})
        custom = {f"{name}__c": value for name, value in flat(rest).items()}
        values = {**standard, **custom, field: row.operation != "remove"}
        if values.get("LastName", "") is None:
            # No contact of Salesforce is without one.
            del values["LastName"]
        return {
            "attributes": {"type": "Contact"},
            self._settings.external_id: row.customer_id,
            **values,
        }

    def _mended(
        self, record: Mapping[str, Any], result: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The record as this org may take it; None where there is nothing to be done."""
        if "LastName" not in record and _lacks_a_field(result):
            # Salesforce makes no contact without a last name; one that it has keeps its own.
            return {**record, "LastName": "-"}
        if _COUNTRY in record and any(
            _COUNTRY in (error.get("fields") or ()) for error in result.get("errors") or ()
        ):
            # An org with picklists of countries takes their codes in another field.
            self._country = _COUNTRY_CODE
            return {_COUNTRY_CODE if name == _COUNTRY else name: v for name, v in record.items()}
        return None

    def _task(self, row: Row, rule: ActivationRule) -> dict[str, Any]:
        task = rule.task
        assert task is not None  # noqa: S101 - tells the type checker
        who = {"attributes": {"type": "Contact"}, self._settings.external_id: row.customer_id}
        return {
            "attributes": {"type": "Task"},
            "Subject": render(task.subject, row)[:255] or rule.segment,
            "Description": render(task.text, row),
            "Status": "Not Started",
            "ActivityDate": utc_now().date().isoformat(),
            "Who": who,
        }


def _lacks_a_field(result: Mapping[str, Any]) -> bool:
    codes = {error.get("statusCode") for error in result.get("errors") or ()}
    return "REQUIRED_FIELD_MISSING" in codes


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request within a request, as that of a collection has them."""
    body = answer.get("body")
    if answer.get("httpStatusCode", 500) < 300:
        return body if isinstance(body, dict) else {"success": True}
    errors = body if isinstance(body, list) else [{}]
    return {
        "success": False,
        "errors": [{"statusCode": e.get("errorCode"), "message": e.get("message")} for e in errors],
    }


def _results(rows: Sequence[Row], content: Any) -> dict[str, RowAnswer]:
    told = {}
    for row, result in zip(rows, content, strict=False):
        if result.get("success"):
            told[row.key] = RowAnswer("ok", vendor_id=result.get("id"))
        else:
            words = "; ".join(
                f"{error.get('statusCode', '')} {error.get('message', '')}".strip()
                for error in result.get("errors", [])
            )
            codes = {error.get("statusCode") for error in result.get("errors", [])}
            status: RowStatus = "later" if codes & _PASSING else "error"
            told[row.key] = RowAnswer(status, one_line(words or "refused"))
    return told


SETTINGS = SalesforceDestination
DESTINATION = Salesforce

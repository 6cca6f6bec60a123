"""Records as Salesforce has them in JSON, and as a row of a bulk job's CSV."""

from __future__ import annotations

from typing import Any

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "contacts": [
        {
            "attributes": {"type": "Contact", "url": "/services/data/v66.0/sobjects/Contact/0031"},
            "Id": "003100000000001AAA",
            "CreatedDate": "2026-01-05T10:00:00.000+0000",
            "SystemModstamp": "2026-01-05T11:00:00.000+0000",
            "IsDeleted": False,
            "Email": "peter@example.com",
            "MobilePhone": None,
            "Phone": "+4930901820",
            "FirstName": "Peter",
            "LastName": "Gibbons",
            "HasOptedOutOfEmail": True,
            "MailingCountry": "Germany",
        },
        # As CSV, deleted a day later.
        {
            "Id": "003100000000001AAA",
            "CreatedDate": "2026-01-05T10:00:00.000Z",
            "SystemModstamp": "2026-01-06T11:00:00.000Z",
            "IsDeleted": "true",
            "Email": "peter@example.com",
            "MobilePhone": "",
            "Phone": "+4930901820",
            "FirstName": "Peter",
            "LastName": "Gibbons",
            "HasOptedOutOfEmail": "false",
            "MailingCountry": "",
        },
    ],
    "leads": [
        {
            "Id": "00Q100000000001AAA",
            "CreatedDate": "2026-01-05T10:00:00.000+0000",
            "SystemModstamp": "2026-01-05T10:00:00.000+0000",
            "IsDeleted": False,
            "Email": "bill@example.com",
            "LastName": "Lumbergh",
            "HasOptedOutOfEmail": False,
            "Country": "US",
        },
        {
            "Id": "00Q100000000002AAA",
            "CreatedDate": "2026-01-05T10:00:00.000+0000",
            "SystemModstamp": "last week",
            "IsDeleted": False,
        },
    ],
    "opportunities": [
        {
            "Id": "006100000000001AAA",
            "CreatedDate": "2026-01-05T10:00:00.000+0000",
            "SystemModstamp": "2026-01-05T11:00:00.000+0000",
            "IsDeleted": False,
            "AccountId": "001100000000001AAA",
            "OwnerId": "005100000000001AAA",
            "Name": "500 chairs",
            "StageName": "Closed Won",
            "Amount": 12500.5,
            "IsClosed": True,
            "IsWon": True,
            "CloseDate": "2026-01-31",
            "_page": {"currency": "EUR"},
        },
        {
            "Id": "006100000000002AAA",
            "CreatedDate": "2026-01-05T10:00:00.000Z",
            "SystemModstamp": "2026-01-05T11:00:00.000Z",
            "IsDeleted": "false",
            "Name": "Nothing yet",
            "StageName": "Prospecting",
            "Amount": "",
            "IsClosed": "false",
            "IsWon": "false",
            "CloseDate": "2026-03-31",
            "CurrencyIsoCode": "USD",
        },
    ],
    "accounts": [
        {
            "Id": "001100000000001AAA",
            "CreatedDate": "2026-01-05T10:00:00.000+0000",
            "SystemModstamp": "2026-01-05T11:00:00.000+0000",
            "IsDeleted": False,
            "Name": "Initech",
            "Website": "https://initech.example.com",
            "Industry": "Technology",
            "BillingCountry": "United States",
        },
        {
            "Id": "001100000000002AAA",
            "CreatedDate": "2026-01-05T10:00:00.000+0000",
            "SystemModstamp": "2026-01-05T11:00:00.000+0000",
            "IsDeleted": True,
            "Name": "Initrode",
        },
    ],
}

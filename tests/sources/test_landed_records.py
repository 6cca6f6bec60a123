"""Tables as Airbyte and Stitch land them: the records of the system, a column per field.

The records are those that our own connector pulled from the sandbox. Landed by a tool and read back
they must give the same accepted rows.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa
from sandbox_pulls import HASTE, Shop, shop_of

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.hubspot import source as hubspot_source
from marketing_platform.sources.stream import Window

MakeSettings = Callable[..., Settings]
SharedData = Callable[[str], Path]
Record = dict[str, Any]
YEARS = Window(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
MONTH = Window(dt.datetime(2025, 11, 1, tzinfo=dt.UTC), dt.datetime(2025, 11, 21, tzinfo=dt.UTC))


@cache
def facts() -> Facts:
    return make_facts(customers=80, seed=6, end=dt.date(2025, 11, 20), days=120)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubspot_source, "_RATES", ())


def pulled(make_settings: MakeSettings, vendor: str, window: Window, **more: Any) -> Shop:
    """What our own connector pulls."""
    with Sandbox(facts(), vendors=[vendor], has_limits=False) as sandbox:
        given = {**HASTE, **sandbox.settings(vendor), **sandbox.credentials(vendor), **more}
        shop = shop_of(make_settings(sources={vendor: given}))
        shop.pull(window)
    return shop


def records(shop: Shop, stream: str) -> list[Record]:
    """The records of a stream as the system told them."""
    files = shop.settings.lake_dir / shop.source.name / stream / "**" / "*.parquet"
    rows = duckdb.sql(f"select payload from read_parquet('{files}')").fetchall()
    return [json.loads(payload) for (payload,) in rows]


def flat(record: Record, glue: str, depth: int = 9) -> Record:
    """Objects within a record as columns of their own."""
    found: Record = {}
    for name, value in record.items():
        if isinstance(value, dict) and depth:
            inner = flat(value, glue, depth - 1)
            found |= {f"{name}{glue}{key}": inside for key, inside in inner.items()}
        else:
            found[name] = value
    return found


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def land(tables: dict[str, list[Record]], folder: Path) -> Path:
    """A Parquet file per table; what is nested lies there as JSON text."""
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        columns = sorted({column for row in rows for column in row})
        frame = pl.DataFrame(
            {c: [as_text(row.get(c)) for row in rows] for c in columns},
            schema=dict.fromkeys(columns, pl.String),
        )
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


def landed(
    make_settings: MakeSettings, tool: str, system: str, window: Window = YEARS, **place: Any
) -> Shop:
    given = {"type": "landed", "tool": tool, "system": system, **place}
    shop = shop_of(make_settings(sources={"shop": given}))
    shop.pull(window)
    return shop


def rows(shop: Shop, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    found = shop.staged(table, is_clean=False).filter(pl.col("outcome") == "accepted")
    return sorted(found.select(columns).rows(), key=str)


def same(ours: Shop, theirs: Shop, table: str, *columns: str) -> None:
    expected, found = rows(ours, table, columns), rows(theirs, table, columns)
    assert found == expected
    assert found


CONTACT = (
    "source_contact_id", "email", "first_name", "last_name", "street", "city", "postcode", "region",
    "country", "created_at", "updated_at",
)  # fmt: skip
DEAL = ("source_deal_id", "title", "stage", "deal_amount", "source_owner_id", "is_won")
AD = (
    "performance_date", "platform", "source_campaign_id", "campaign_name", "source_ad_group_id",
    "source_ad_id", "impression_count", "click_count", "cost_amount", "conversions",
    "conversion_value_amount", "currency",
)  # fmt: skip


@pytest.fixture
def hubspot(make_settings: MakeSettings) -> Shop:
    return pulled(make_settings, "hubspot", YEARS)


def test_hubspot_landed_by_airbyte(
    hubspot: Shop, make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = land(
        {
            "contacts": [
                r | flat({"properties": r["properties"]}, "_") for r in records(hubspot, "contacts")
            ],
            # An older version of the connector lands the properties in one column alone.
            "deals": records(hubspot, "deals"),
            "owners": records(hubspot, "owners"),
            "tickets": records(hubspot, "tickets"),
        },
        tmp_path / "landed",
    )
    shop = landed(make_settings, "airbyte", "hubspot", path=str(path))
    same(hubspot, shop, "contacts", *CONTACT, "has_email_consent", "is_deleted")
    same(hubspot, shop, "deals", *DEAL, "is_deleted")
    same(hubspot, shop, "owners", "source_owner_id", "email", "first_name")
    same(hubspot, shop, "tickets", "source_ticket_id", "subject", "status", "is_closed")


def test_hubspot_landed_by_stitch(
    hubspot: Shop, make_settings: MakeSettings, tmp_path: Path
) -> None:
    def valued(record: Record) -> Record:
        """The properties as the first version of the API tells them: each with its value."""
        told = {name: {"value": value} for name, value in record["properties"].items()}
        return flat({"properties": told}, "__")

    path = land(
        {
            "contacts": [{"vid": r["id"], **valued(r)} for r in records(hubspot, "contacts")],
            "deals": [
                {"dealId": r["id"], "isDeleted": r["archived"], **valued(r)}
                for r in records(hubspot, "deals")
            ],
            "owners": [{"ownerId": r["id"], **r} for r in records(hubspot, "owners")],
        },
        tmp_path / "landed",
    )
    shop = landed(make_settings, "stitch", "hubspot", path=str(path))
    same(hubspot, shop, "contacts", *CONTACT, "has_email_consent")
    same(hubspot, shop, "deals", *DEAL, "is_deleted")
    same(hubspot, shop, "owners", "source_owner_id", "email", "first_name")


@pytest.mark.parametrize("tool", ["airbyte", "stitch"])
def test_salesforce_landed_by_either(
    tool: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    more = {"poll_seconds": 0.01, "bulk_page_size": 200, "days_per_report": 366}
    ours = pulled(make_settings, "salesforce", YEARS, **more)
    names = {"Contact": "contacts", "Lead": "leads", "Opportunity": "opportunities"}
    tables = {
        table: [flat(r, "_") for r in records(ours, stream)]
        for table, stream in ({**names, "Account": "accounts"}).items()
    }
    shop = landed(make_settings, tool, "salesforce", path=str(land(tables, tmp_path / "landed")))
    people = ("source_contact_id", "email", "first_name", "street", "city", "postcode", "region",
              "has_email_consent")  # fmt: skip
    leads = ours.staged("contacts__leads", is_clean=False).filter(pl.col("outcome") == "accepted")
    expected = rows(ours, "contacts", people) + leads.select(people).rows()
    assert rows(shop, "contacts", people) == sorted(expected, key=str)
    same(ours, shop, "deals", "source_deal_id", "title", "stage", "deal_amount", "is_deleted")
    same(ours, shop, "accounts", "source_account_id", "title", "is_deleted")


def test_klaviyo_landed_by_airbyte(make_settings: MakeSettings, tmp_path: Path) -> None:
    ours = pulled(make_settings, "klaviyo", YEARS)
    tables = {name: records(ours, name) for name in ("profiles", "events")}
    tables["metrics"] = [
        {"id": key, "attributes": {"name": name}} for key, name in metric_names(ours).items()
    ]
    shop = landed(make_settings, "airbyte", "klaviyo", path=str(land(tables, tmp_path / "landed")))
    same(ours, shop, "contacts", *CONTACT, "phone", "has_email_consent")
    engagement = ("source_engagement_id", "channel", "engagement", "occurred_at")
    same(ours, shop, "engagements", *engagement, "bounce_type", "url", "source_message_id")


def test_who_comes_back_to_klaviyos_messages_is_back_when_landed_by_airbyte(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    metrics = (
        "Unsubscribed from Email Marketing", "Subscribed to Email Marketing",
        "Unsubscribed from SMS Marketing", "Subscribed to SMS Marketing",
        "Consented to Receive SMS",
    )  # fmt: skip
    events = [
        {
            "id": metric,
            "datetime": f"2026-01-05T0{place}:00:00+00:00",
            "relationships": {
                "metric": {"data": {"id": metric}},
                "profile": {"data": {"id": "ada"}},
            },
        }
        for place, metric in enumerate(metrics)
    ]
    tables = {
        "events": events,
        "metrics": [{"id": metric, "attributes": {"name": metric}} for metric in metrics],
    }
    shop = landed(make_settings, "airbyte", "klaviyo", path=str(land(tables, tmp_path / "landed")))
    assert rows(shop, "engagements", ("occurred_at", "channel", "engagement")) == [
        (dt.datetime(2026, 1, 5, 0), "email", "unsubscribed"),
        (dt.datetime(2026, 1, 5, 1), "email", "resubscribed"),
        (dt.datetime(2026, 1, 5, 2), "sms", "unsubscribed"),
        (dt.datetime(2026, 1, 5, 3), "sms", "resubscribed"),
        (dt.datetime(2026, 1, 5, 4), "sms", "resubscribed"),
    ]


@pytest.mark.parametrize("tool", ["airbyte", "stitch"])
def test_a_bounce_is_of_the_address_that_it_was_sent_to_not_of_the_one_of_today(
    tool: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    ada = {"id": "ada", "email": "new@example.com"}
    properties = {"Bounce Type": "Hard", "Recipient Email Address": "old@example.com"}
    moment = "2026-01-05T10:00:00+00:00"
    event: Record = {"id": "1", "datetime": moment, "event_properties": properties}
    bounce = {
        "id": "1",
        "datetime": moment,
        "attributes": {"event_properties": properties},
        "relationships": {"metric": {"data": {"id": "B"}}, "profile": {"data": {"id": "ada"}}},
    }
    tables: dict[str, list[Record]] = {
        "airbyte": {
            "profiles": [{"id": "ada", "attributes": ada}],
            "metrics": [{"id": "B", "attributes": {"name": "Bounced Email"}}],
            "events": [bounce],
        },
        "stitch": {"bounce": [{**event, "profile": [ada]}]},
    }[tool]
    shop = landed(make_settings, tool, "klaviyo", path=str(land(tables, tmp_path / "landed")))
    columns = ("source_contact_id", "engagement", "bounce_type", "email")
    assert rows(shop, "engagements", columns) == [("ada", "bounced", "hard", "old@example.com")]


def test_who_leaves_klaviyos_messages_and_comes_back_is_known_when_landed_by_stitch(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    events = {
        "unsubscribe": ("email", "unsubscribed"),
        "subscribed_to_email": ("email", "resubscribed"),
        "unsubscribed_from_sms": ("sms", "unsubscribed"),
        "subscribed_to_sms": ("sms", "resubscribed"),
        "consented_to_receive": ("sms", "resubscribed"),
    }
    tables: dict[str, list[Record]] = {
        table: [
            {
                "id": table,
                "datetime": f"2026-01-05T0{place}:00:00+00:00",
                "profile": [{"id": "ada"}],
                "event_properties": {},
            }
        ]
        for place, table in enumerate(events)
    }
    shop = landed(make_settings, "stitch", "klaviyo", path=str(land(tables, tmp_path / "landed")))
    found = rows(shop, "engagements", ("occurred_at", "channel", "engagement"))
    assert [row[1:] for row in found] == list(events.values())


STITCH = {
    "Received Email": "receive", "Opened Email": "open", "Clicked Email": "click",
    "Bounced Email": "bounce", "Dropped Email": "dropped_email",
    "Marked Email as Spam": "mark_as_spam", "Unsubscribed from Email Marketing": "unsubscribe",
}  # fmt: skip


def test_klaviyo_landed_by_stitch(make_settings: MakeSettings, tmp_path: Path) -> None:
    ours = pulled(make_settings, "klaviyo", YEARS)
    named = metric_names(ours)
    people = {r["id"]: r["attributes"] | {"id": r["id"]} for r in records(ours, "profiles")}
    tables: dict[str, list[Record]] = {"profiles": [flat(p, "__") for p in people.values()]}
    for event in records(ours, "events"):
        told = event["relationships"]
        table = STITCH.get(named[told["metric"]["data"]["id"]])
        if table:
            person = people.get(told["profile"]["data"]["id"])
            row = {"id": event["id"], **event["attributes"], "profile": [person] if person else []}
            tables.setdefault(table, []).append(row)
    shop = landed(make_settings, "stitch", "klaviyo", path=str(land(tables, tmp_path / "landed")))
    same(ours, shop, "contacts", *CONTACT, "phone")
    wanted = (
        "source_engagement_id", "channel", "engagement", "occurred_at", "bounce_type",
        "source_message_id",
    )  # fmt: skip
    expected = [row for row in rows(ours, "engagements", wanted) if row[1] == "email"]
    assert rows(shop, "engagements", wanted) == expected
    assert {row[2] for row in expected} >= {"delivered", "opened", "clicked", "bounced"}


def metric_names(ours: Shop) -> dict[str, str]:
    """The name of each metric, as the connector has it from Klaviyo."""
    return {
        event["relationships"]["metric"]["data"]["id"]: event["_page"]["metric"]
        for event in records(ours, "events")
    }


@pytest.mark.parametrize("tool", ["airbyte", "stitch"])
def test_meta_ads_landed_by_either(tool: str, make_settings: MakeSettings, tmp_path: Path) -> None:
    ours = pulled(make_settings, "meta_ads", MONTH)
    path = land({"ads_insights": records(ours, "ads")}, tmp_path / "landed")
    shop = landed(make_settings, tool, "meta_ads", path=str(path))
    same(ours, shop, "ad_performance", *AD)


def test_google_ads_landed_by_airbyte(make_settings: MakeSettings, tmp_path: Path) -> None:
    ours = pulled(make_settings, "google_ads", MONTH)

    def snake(record: Record) -> Record:
        name = "".join
        return {
            name("_" + c.lower() if c.isupper() else c for c in key): value
            for key, value in flat(record, ".").items()
        }

    path = land(
        {"ad_group_ad_legacy": [snake(r) for r in records(ours, "ads")]}, tmp_path / "landed"
    )
    shop = landed(make_settings, "airbyte", "google_ads", path=str(path))
    same(ours, shop, "ad_performance", *AD)


def test_google_ads_landed_by_stitch(make_settings: MakeSettings, tmp_path: Path) -> None:
    ours = pulled(make_settings, "google_ads", MONTH)
    path = land(
        {
            "ad_performance_report": [
                {
                    "date": r["segments"]["date"] + "T00:00:00Z",
                    "campaign_id": r["campaign"]["id"],
                    "campaign_name": r["campaign"]["name"],
                    "ad_group_id": r["adGroup"]["id"],
                    "ad_group_name": r["adGroup"]["name"],
                    "id": r["adGroupAd"]["ad"]["id"],
                    "name": r["adGroupAd"]["ad"].get("name"),
                    "customer_currency_code": r["customer"]["currencyCode"],
                    "impressions": r["metrics"].get("impressions", 0),
                    "clicks": r["metrics"].get("clicks", 0),
                    "cost_micros": r["metrics"].get("costMicros", 0),
                    "conversions": r["metrics"].get("conversions", 0),
                    "conversions_value": r["metrics"].get("conversionsValue", 0),
                }
                for r in records(ours, "ads")
            ]
        },
        tmp_path / "landed",
    )
    shop = landed(make_settings, "stitch", "google_ads", path=str(path))
    same(ours, shop, "ad_performance", *AD)


@pytest.mark.parametrize(("tool", "table"), [("airbyte", "_daily"), ("stitch", "")])
def test_microsoft_ads_landed_by_either(
    tool: str, table: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    ours = pulled(make_settings, "microsoft_ads", MONTH, poll_seconds=0.01)
    path = land({f"ad_performance_report{table}": records(ours, "ads")}, tmp_path / "landed")
    shop = landed(make_settings, tool, "microsoft_ads", path=str(path))
    same(ours, shop, "ad_performance", *AD)


def shopify_tables(shared_data: SharedData) -> dict[str, list[Record]]:
    """Real answers of Shopify's REST API, which both tools land field by field."""
    folder = shared_data("vendors/shopify_rest")

    def told(name: str, key: str) -> list[Record]:
        found: list[Record] = json.loads((folder / f"{name}.json").read_text())[key]
        return found

    order = json.loads((folder / "order.json").read_text())["order"]
    refund = json.loads((folder / "refund.json").read_text())["refund"]
    products = json.loads((folder / "products.json").read_text())
    return {
        "customers": told("customers_search", "customers"),
        "orders": [order],
        "order_refunds": [refund | {"order_id": order["id"]}],
        "products": products,
        "product_variants": [
            variant | {"product_id": product["id"]}
            for product in products
            for variant in product["variants"]
        ],
        "abandoned_checkouts": told("checkouts", "checkouts"),
    }


@pytest.mark.parametrize("tool", ["airbyte", "stitch"])
def test_shopify_landed_by_either_in_files_and_in_a_database(
    tool: str, make_settings: MakeSettings, shared_data: SharedData, tmp_path: Path
) -> None:
    told = shopify_tables(shared_data)
    # Some of Stitch's destinations have objects as columns of their own.
    tables = {
        name: [flat(r, "__") if tool == "stitch" else r for r in rows]
        for name, rows in told.items()
    }
    folder = land(tables, tmp_path / "landed")
    shop = landed(make_settings, tool, "shopify", path=str(folder))
    lines = [line for order in told["orders"] for line in order["line_items"]]
    left = [line for cart in told["abandoned_checkouts"] for line in cart["line_items"]]
    back = [line for refund in told["order_refunds"] for line in refund["refund_line_items"]]
    for table, expected in {
        "contacts": told["customers"],
        "orders": told["orders"],
        "order_items": lines,
        "refunds": back,
        "products": told["products"],
        "variants": told["product_variants"],
        "carts": told["abandoned_checkouts"],
        "cart_items": left,
    }.items():
        found = shop.staged(table, is_clean=False)
        assert found.height == len({str(record["id"]) for record in expected}) > 0, table
        assert set(found["outcome"]) <= {"accepted"}, (table, found["quarantine_reason"].to_list())
    person = next(c for c in told["customers"] if c.get("default_address"))
    home = person["default_address"]
    (contact,) = shop.staged("contacts").filter(source_contact_id=str(person["id"])).to_dicts()
    assert (contact["street"], contact["city"]) == (home["address1"], home["city"])
    assert (contact["postcode"], contact["region"]) == (home["zip"], home["province_code"])
    first_product = told["products"][0]
    (product,) = (
        shop.staged("products").filter(source_product_id=str(first_product["id"])).to_dicts()
    )
    assert product["image_url"] == first_product["images"][0]["src"]
    assert product["description"] == first_product["body_html"]
    (order,) = shop.staged("orders").head(1).to_dicts()
    first = next(o for o in told["orders"] if str(o["id"]) == order["source_order_id"])
    assert order["source_contact_id"] == str(first["customer"]["id"])
    assert str(order["total_amount"]) == first["total_price"]
    assert order["country"] == first["billing_address"]["country_code"]
    bill = first["billing_address"]
    assert (order["first_name"], order["last_name"]) == (bill["first_name"], bill["last_name"])
    assert (order["street"], order["city"]) == (bill["address1"], bill["city"])
    assert (order["postcode"], order["region"]) == (bill["zip"], bill["province_code"])

    url = f"sqlite:///{tmp_path / 'landed.db'}"
    engine = sa.create_engine(url)
    for name in tables:
        frame = pl.read_parquet(folder / f"{name}.parquet")
        columns = [sa.Column(column, sa.Text) for column in frame.columns]
        table = sa.Table(f"raw_{name}", sa.MetaData(), *columns)
        table.create(engine)
        with engine.begin() as connection:
            connection.execute(table.insert(), frame.to_dicts())
    other = landed(make_settings, tool, "shopify", url=url, prefix="raw_")
    for name in ("contacts", "orders", "order_items", "refunds", "products"):
        both = [sorted(found.staged(name).rows(), key=str) for found in (shop, other)]
        assert both[0] == both[1], name

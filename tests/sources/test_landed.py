"""Tables as Fivetran really lands them, read from Parquet and from a DuckDB file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sandbox_pulls import Shop, shop_of

from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.doctor import examine_sources
from marketing_platform.sources.landed.source import columns_read
from marketing_platform.sources.stream import Window

MakeSettings = Callable[..., Settings]
SharedData = Callable[[str], Path]
YEARS = Window(dt.datetime(2015, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
# The folder, and what stands before and after the name of a table in the name of its file.
LANDED = {
    "google_ads": ("fivetran_ad_reporting", "google_ads_"),
    "meta_ads": ("fivetran_ad_reporting", "facebook_ads_"),
    "microsoft_ads": ("fivetran_ad_reporting", "microsoft_ads_"),
    "hubspot": ("fivetran_hubspot", ""),
    "salesforce": ("fivetran_salesforce", "sf_"),
    "shopify": ("fivetran_shopify", "shopify_"),
    "klaviyo": ("fivetran_klaviyo", ""),
}


def files(shared_data: SharedData, system: str) -> dict[str, Path]:
    """The file of each table that lies there."""
    folder, prefix = LANDED[system]
    return {
        path.stem.removeprefix(prefix).removesuffix("_data"): path
        for path in shared_data(f"vendors/{folder}").glob(f"{prefix}*.csv")
    }


def as_parquet(tables: dict[str, Path], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, path in tables.items():
        duckdb.sql(f"copy (from read_csv('{path}')) to '{folder / name}.parquet'")
    return folder


def as_database(tables: dict[str, Path], file: Path) -> Path:
    with duckdb.connect(str(file)) as database:
        database.execute("create schema raw_data")
        for name, path in tables.items():
            database.execute(f"create table raw_data.fv_{name} as from read_csv('{path}')")
    return file


def landed(make_settings: MakeSettings, system: str, path: Path, **more: Any) -> Shop:
    given = {"type": "landed", "tool": "fivetran", "system": system, "path": str(path), **more}
    shop = shop_of(make_settings(sources={"shop": given}))
    shop.pull(YEARS)
    return shop


SPENT = {
    # An account's costs are those of its campaigns, whether their ads have figures or not.
    "google_ads": """
        select sum(impressions), sum(clicks), sum(cost_micros) / 1e6 from '{ad_stats}'
    """,
    "meta_ads": "select sum(impressions), sum(inline_link_clicks), sum(spend) from '{basic_ad}'",
    "microsoft_ads": """
        select sum(impressions), sum(clicks), sum(spend) from '{ad_performance_daily_report}'
    """,
}


@pytest.mark.parametrize("system", list(SPENT))
def test_what_ads_cost_is_what_the_landed_reports_say(
    system: str, make_settings: MakeSettings, shared_data: SharedData, tmp_path: Path
) -> None:
    tables = files(shared_data, system)
    shop = landed(make_settings, system, as_parquet(tables, tmp_path / "landed"))
    ads = shop.staged("ad_performance", is_clean=False)
    # The tables that Meta's package is tested with do not say the account's.
    reasons = {"no currency"} if system == "meta_ads" else {None}
    assert set(ads["quarantine_reason"]) == reasons
    asked = SPENT[system].format(**{name: str(path) for name, path in tables.items()})
    impressions, clicks, cost = duckdb.sql(asked).fetchall()[0]
    found = ads.filter(ads["source_ad_id"].is_not_null())
    assert found["impression_count"].sum() == impressions
    assert found["click_count"].sum() == clicks
    assert float(found["cost_amount"].sum()) == pytest.approx(float(cost), abs=0.01 * found.height)
    assert found.height > 0
    assert set(ads["platform"]) == {system.replace("_ads", " ads").title()}
    keys = ["performance_date", "source_campaign_id", "source_ad_group_id", "source_ad_id"]
    assert not ads.select(keys).is_duplicated().any()


@pytest.mark.parametrize(
    ("system", "counts"),
    [
        ("hubspot", {"contacts": "contact", "deals": "deal", "owners": "owner"}),
        ("salesforce", {"accounts": "account", "deals": "opportunity"}),
        (
            "shopify",
            {
                "contacts": "customer",
                "orders": "order",
                "order_items": "order_line",
                "refunds": "order_line_refund",
                "products": "product",
                "variants": "product_variant",
                "carts": "abandoned_checkout",
            },
        ),
        ("klaviyo", {"contacts": "person", "engagements": "event"}),
    ],
)
def test_each_record_of_a_crm_that_was_landed_is_accounted_for(
    system: str,
    counts: dict[str, str],
    make_settings: MakeSettings,
    shared_data: SharedData,
    tmp_path: Path,
) -> None:
    tables = files(shared_data, system)
    path = as_database(tables, tmp_path / "landed.duckdb")
    shop = landed(make_settings, system, path, schema="raw_data", prefix="fv_")
    for entity, table in counts.items():
        ids = "deal_id" if table == "deal" else "owner_id" if table == "owner" else "id"
        # An order that was placed is an event of Klaviyo's too, but none of a message.
        where = " where type <> 'Placed Order'" if table == "event" else ""
        asked = f"select count(distinct {ids}) from '{tables[table]}'{where}"
        (expected,) = duckdb.sql(asked).fetchall()
        rows = shop.staged(entity, is_clean=False)
        assert rows.height == expected[0] > 0, entity
        # The refunds of these lines are not among the refunds that lie there.
        judged = {"accepted"} if entity != "refunds" else {"quarantined"}
        assert set(rows["outcome"]) == judged, rows["quarantine_reason"].to_list()
    (finding,) = examine_sources(shop.settings)
    assert f"tables of {system}, landed by fivetran" in finding.found


def test_a_customer_of_shopify_has_their_default_address(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    address = "7 as customer_id, {} as is_default, '{}' as address_1, 'Austin' as city,"
    address += " '00078' as zip, 'TX' as province_code, 'US' as country_code"
    home, other = address.format("true", "1 Mill Street"), address.format("false", "2 Mill Street")
    tables = {
        "customer": "7 as id, 'ada@example.com' as email, timestamp '2026-01-05' as updated_at",
        "customer_address": f"{other} union all select {home}",
    }
    for table, columns in tables.items():
        duckdb.sql(f"copy (select {columns}) to '{tmp_path / table}.parquet'")
    (contact,) = landed(make_settings, "shopify", tmp_path).staged("contacts").to_dicts()
    home = ("street", "city", "postcode", "region", "country")
    found = tuple(contact[name] for name in home)
    assert found == ("1 Mill Street", "Austin", "00078", "TX", "US")


@pytest.mark.parametrize(
    ("legacy", "state", "consent"),
    [
        ("true", "'unsubscribed'", False),
        ("false", "'subscribed'", True),
        ("false", "'not_subscribed'", None),
        ("true", "null", True),
    ],
)
def test_consent_is_what_shopify_says_now_and_not_what_an_old_column_kept(
    legacy: str, state: str, consent: bool | None, make_settings: MakeSettings, tmp_path: Path
) -> None:
    customer = f"7 as id, 'ada@example.com' as email, {legacy} as accepts_marketing,"
    customer += f" cast({state} as varchar) as email_marketing_consent_state"
    duckdb.sql(f"copy (select {customer}) to '{tmp_path / 'customer'}.parquet'")
    (contact,) = landed(make_settings, "shopify", tmp_path).staged("contacts").to_dicts()
    assert contact["has_email_consent"] is consent


def test_a_product_of_shopify_has_its_page_its_picture_and_the_shops_currency(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    moment = "timestamp '2026-01-05 10:00:00'"
    tables = {
        "product": f"5 as id, 'Tea pot' as title, 'tea-pot' as handle, {moment} as published_at,"
        f" {moment} as updated_at",
        "product_variant": "50 as id, 5 as product_id, '9.50' as price",
        "shop": "1 as id, 'shop.example' as domain, 'EUR' as currency",
        "product_media": "5 as product_id, unnest([71, 70]) as media_id",
        "media_image": "unnest([70, 71]) as media_id,"
        " unnest(['https://cdn.example/first.png', 'https://cdn.example/second.png']) as image_url",
    }
    for table, columns in tables.items():
        duckdb.sql(f"copy (select {columns}) to '{tmp_path / table}.parquet'")
    (product,) = landed(make_settings, "shopify", tmp_path).staged("products").to_dicts()
    assert (str(product["price_amount"]), product["currency"]) == ("9.50", "EUR")
    assert product["url"] == "https://shop.example/products/tea-pot"
    assert product["image_url"] == "https://cdn.example/first.png"


def test_a_product_that_shopify_archived_is_not_for_sale_though_it_was_published(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    moment = "timestamp '2026-01-05 10:00:00'"
    states = (
        "unnest([1, 2, 3, 4]) as id, unnest(['active', 'archived', 'unlisted', null]) as status"
    )
    product = f"{states}, {moment} as published_at, {moment} as updated_at"
    for table, columns in (("product", product), ("shop", "1 as id, 'EUR' as currency")):
        duckdb.sql(f"copy (select {columns}) to '{tmp_path / table}.parquet'")
    products = landed(make_settings, "shopify", tmp_path).staged("products")
    found = products.sort("source_product_id")["is_active"].to_list()
    assert found == [True, False, True, True]


def test_a_refunded_line_has_its_order_its_day_and_its_tax(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    tables = {
        "order": "7 as id, 3 as customer_id, 'EUR' as currency, false as taxes_included",
        "order_line": "70 as id, 7 as order_id, 5 as product_id, 2 as quantity, '4.40' as price",
        "refund": "9 as id, 7 as order_id, timestamp '2026-01-05 10:00:00' as created_at",
        "order_line_refund": "1 as id, 9 as refund_id, 70 as order_line_id, 1 as quantity,"
        " 4.40 as subtotal, 0.84 as total_tax",
    }
    for table, columns in tables.items():
        duckdb.sql(f"copy (select {columns}) to '{tmp_path / table}.parquet'")
    shop = landed(make_settings, "shopify", tmp_path)
    (refund,) = shop.staged("refunds").to_dicts()
    assert str(refund["refund_amount"]) == "5.24"
    assert (refund["source_order_id"], refund["source_contact_id"]) == ("7", "3")
    assert str(refund["refund_date"]) == "2026-01-05"
    (line,) = shop.staged("order_items").to_dicts()
    assert (line["quantity"], str(line["line_amount"])) == (2, "8.80")


def test_who_comes_back_to_klaviyos_messages_is_back(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    metrics = (
        "Unsubscribed from Email Marketing", "Subscribed to Email Marketing",
        "Unsubscribed from SMS Marketing", "Subscribed to SMS Marketing",
        "Consented to Receive SMS",
    )  # fmt: skip
    rows = " union all ".join(
        f"select '{place}' as id, 'ada' as person_id, '{metric}' as type,"
        f" timestamp '2026-01-05' + interval {place} hour as datetime"
        for place, metric in enumerate(metrics)
    )
    duckdb.sql(f"copy ({rows}) to '{tmp_path / 'event'}.parquet'")
    shop = landed(make_settings, "klaviyo", tmp_path)
    found = shop.staged("engagements").sort("occurred_at").select("channel", "engagement").rows()
    assert found == [
        ("email", "unsubscribed"),
        ("email", "resubscribed"),
        ("sms", "unsubscribed"),
        ("sms", "resubscribed"),
        ("sms", "resubscribed"),
    ]


def test_a_second_pull_changes_no_file_and_what_is_gone_there_is_gone_here(
    make_settings: MakeSettings, shared_data: SharedData, tmp_path: Path
) -> None:
    tables = files(shared_data, "hubspot")
    folder = as_parquet(tables, tmp_path / "landed")
    shop = landed(make_settings, "hubspot", folder)
    lake = shop.settings.lake_dir
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*.parquet")}
    shop.pull(YEARS)
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*.parquet")} == before
    (folder / "owner.parquet").unlink()
    count = shop.staged("owners").height
    shop.pull(YEARS)
    assert shop.staged("owners").height == 0 < count
    assert shop.staged("contacts").height > 0


def test_a_folder_without_one_of_the_tables_is_told(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="no table that fivetran lands for hubspot, such as"):
        landed(make_settings, "hubspot", tmp_path)


def test_what_a_query_reads_is_read_from_its_sql() -> None:
    sql = "with a as (select id, max(b) as c from t group by id) select a.c, u.d from a, u"
    assert columns_read(sql) == {"t": {"id", "b"}, "u": {"d"}}

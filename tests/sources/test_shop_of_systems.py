"""A shop whose data lies in several systems at once: pulled, staged, and one customer each."""

from __future__ import annotations

import datetime as dt
import os
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr
from sandbox_pulls import FAULTS

from marketing_platform.demo.sandbox.config import demo_sources
from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.identity.dedupe import quality
from marketing_platform.pipeline import all_tables, build_all
from marketing_platform.settings import Settings, parse_platform
from marketing_platform.warehouse import Warehouse

END = dt.date(2026, 6, 30)
BEYOND_CORE = ("profiles.customers", "quality.reconciliation", "predictions.send_time")
SYSTEMS = ("shopify", "stripe", "klaviyo", "hubspot", "google_ads")


@cache
def facts_of_shop() -> Facts:
    return make_facts(customers=250, seed=5, end=END, days=90)


def built(folder: Path, faults: Faults | None = None) -> Warehouse:
    """The warehouse of a shop on several systems."""
    with Sandbox(facts_of_shop(), vendors=SYSTEMS, faults=faults, has_limits=False) as sandbox:
        sources = demo_sources(sandbox, folder / "secrets")
        for source in sources.values():
            source |= {"history_start": "2026-01-01", "attempts": 20, "retry_seconds": 0.01}
        platform = parse_platform(
            {"clock": "newest_record", "sources": sources},
            where=folder / "platform.yaml",
            environ=os.environ,
        )
        settings = Settings(
            config_dir=folder, data_dir=folder, state_url=SecretStr(""), platform=platform
        )
        warehouse = Warehouse(settings.warehouse_path)
        wanted = [name for name in all_tables(settings) if name.startswith("core.")]
        build_all(
            warehouse,
            settings,
            until=wanted if faults else [*wanted, *BEYOND_CORE],
        )
    assert faults is None or sum(sandbox.faults_happened.values()) > 3
    return warehouse


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Facts]:
    """The warehouse, and what is true of the shop."""
    return built(tmp_path_factory.mktemp("systems")), facts_of_shop()


def test_with_a_fifth_of_all_answers_bad_core_is_the_same_to_the_byte(
    shop: tuple[Warehouse, Facts], tmp_path: Path
) -> None:
    well, faulty = shop[0], built(tmp_path, FAULTS)
    tables = [name for name in well.row_counts() if name.startswith("core.")]
    assert len(tables) > 20
    for table in tables:
        in_order = f"select * from {table} order by all"
        assert well.query(in_order).equals(faulty.query(in_order)), table


def test_every_record_of_every_system_is_accounted_for(shop: tuple[Warehouse, Facts]) -> None:
    counts = shop[0].read("quality.reconciliation")
    assert set(counts["source"]) == set(SYSTEMS)
    outcomes = pl.sum_horizontal("accepted_count", "duplicate_count", "quarantined_count")
    assert counts.filter(outcomes != pl.col("arrived_count")).is_empty()
    assert counts["quarantined_count"].sum() == 0


def test_every_system_tells_where_a_person_lives(shop: tuple[Warehouse, Facts]) -> None:
    warehouse, facts = shop
    home = ("street", "city", "postcode", "region", "country")
    true = persons(facts).join(facts.people.select("person", *home), on="person")
    listed = "select contact_id, source, street, city, postcode, region, country from core.contacts"
    found = warehouse.query(f"{listed} where street is not null")
    assert set(found["source"]) == {"shopify", "stripe", "klaviyo", "hubspot"}
    both = found.join(true, on="contact_id", suffix="_true")
    assert both.height == found.height > 200
    for name in home:
        assert both[name].equals(both[f"{name}_true"], null_equal=True), name


def test_core_has_the_orders_of_the_shop_and_their_amounts(shop: tuple[Warehouse, Facts]) -> None:
    warehouse, facts = shop
    true = facts.orders.unique("order_id", keep="last").filter(pl.col("cancelled_at").is_null())
    amounts = ("gross_amount", "discount_amount", "shipping_amount", "total_amount")
    found = warehouse.read("core.orders").select(pl.col("source_order_id").cast(int), *amounts)
    assert found.height > 20
    assert sorted(found.rows()) == sorted(true.select("order_id", *amounts).rows())


def test_contacts_of_several_systems_are_one_customer(shop: tuple[Warehouse, Facts]) -> None:
    warehouse, _ = shop
    together = warehouse.query(
        """
        select m.customer_id, count(distinct c.source) as source_count
        from identity.contact_customers as m
        inner join core.contacts as c on m.contact_id = c.contact_id
        group by m.customer_id
        """
    )
    assert together.filter(pl.col("source_count") == 3).height > 10
    assert together.height < warehouse.read("core.contacts").height / 2


def persons(facts: Facts) -> pl.DataFrame:
    """Whose each contact really is: contact_id and person. Nobody is told."""
    account = pl.col("account_id").cast(pl.String)
    accounts = facts.accounts.unique("account_id").select(
        "person",
        shopify="shopify:" + account,
        stripe="stripe:cus_" + account,
        klaviyo="klaviyo:01PROFILE" + account,
    )
    crm = facts.crm_contacts.unique("crm_id").select(
        "person", hubspot="hubspot:" + pl.col("crm_id").cast(pl.String)
    )
    known = [accounts.unpivot(index="person", value_name="contact_id")]
    known.append(crm.unpivot(index="person", value_name="contact_id"))
    emails = facts.people.unpivot(["email", "alternative_email"], index="person").drop_nulls()
    known += [
        emails.select("person", contact_id=pl.lit(f"{source}:email:") + pl.col("value"))
        for source in ("shopify", "stripe", "hubspot")
    ]
    return pl.concat(frame.select("person", "contact_id") for frame in known)


def test_contacts_are_tied_to_whom_they_really_are(
    shop: tuple[Warehouse, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, facts = shop
    mapping = warehouse.read("identity.contact_customers")
    found = mapping.join(persons(facts), on="contact_id")
    assert found.height == found["contact_id"].n_unique() > 0.95 * mapping.height
    figures = quality(found["customer_id"], found["person"])["pairwise"]
    with capsys.disabled():
        print(f"\n{found.height} contacts of the simulated shop: {figures}")
    assert figures["precision"] >= 0.999
    assert figures["recall"] >= 0.97


def test_the_hour_to_send_at_is_nearer_to_when_people_read_than_the_shops_best_hour(
    shop: tuple[Warehouse, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, facts = shop
    mapping = warehouse.read("identity.contact_customers").join(persons(facts), on="contact_id")
    truth = (
        mapping.select("customer_id", "person")
        .unique()
        .join(facts.responses.select("person", "preferred_hour"), on="person")
    )
    found = warehouse.read("predictions.send_time").join(truth, on="customer_id")
    opened = facts.messages.filter(pl.col("opened_at").is_not_null())
    best = opened["opened_at"].dt.hour().mode().sort()[0]

    def error(hour: pl.Expr) -> float:
        apart = (hour - pl.col("preferred_hour")).abs()
        return float(found.select(pl.min_horizontal(apart, 24 - apart).mean()).item())

    ours, shops = error(pl.col("hour_utc") + 0.5), error(pl.lit(best + 0.5))
    with capsys.disabled():
        print(f"\nhours off, of {found.height} people: {ours:.2f}, by the shop's best: {shops:.2f}")
    assert found.height > 50
    assert ours < 0.6 * shops
    share = found["reason"].str.extract(r"; (\d+) of 100 within about an hour of it$")
    assert share.cast(pl.Int64).to_list() == [round(one * 100) for one in found["hour_share"]]


def test_who_left_a_list_has_no_consent_any_more(shop: tuple[Warehouse, Facts]) -> None:
    warehouse, _ = shop
    left = warehouse.query(
        """
        select distinct m.customer_id
        from core.engagements as e
        inner join identity.contact_customers as m on e.contact_id = m.contact_id
        where e.channel = 'email' and e.engagement in ('unsubscribed', 'complained')
        """
    )
    assert not left.is_empty()
    customers = left.join(warehouse.read("identity.customers"), on="customer_id")
    assert customers["has_email_consent"].to_list() == [False] * left.height


def test_phones_countries_and_languages_are_in_standard_form(shop: tuple[Warehouse, Facts]) -> None:
    contacts = shop[0].read("core.contacts")
    forms = {"phone": r"^\+[1-9][0-9]{6,14}$", "country": r"^[A-Z]{2}$", "language": r"^[a-z]{2}"}
    for column, form in forms.items():
        known = contacts[column].drop_nulls()
        assert known.len() > 0, column
        assert known.str.contains(form).all(), column

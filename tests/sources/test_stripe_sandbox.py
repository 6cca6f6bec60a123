"""Stripe from end to end: the connector against the sandbox, its answers against Stripe's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import httpx
import orjson
import pytest
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4
from shared_folder import find_shared_data

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.pull import pull
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import staging_tables
from marketing_platform.sources.stream import Window

END = dt.date(2025, 11, 20)
LATER = dt.timedelta(days=20)
# Some customers are older than the shop's first order.
FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
Shop = Callable[..., tuple[Settings, ActiveSource]]


@cache
def facts() -> Facts:
    return make_facts(customers=60, end=END, days=120)


@pytest.fixture
def shop(make_settings: Callable[..., Settings]) -> Shop:
    def made(sandbox: Sandbox, **more: Any) -> tuple[Settings, ActiveSource]:
        given = {"base_url": sandbox.url("stripe"), **sandbox.credentials("stripe"), **more}
        settings = make_settings(sources={"stripe": {"retry_seconds": 0.001, **given}})
        (source,) = active_sources(settings)
        return settings, source

    return made


def pull_all(settings: Settings, source: ActiveSource, window: Window) -> int:
    """Pull every stream to its end; how often it was interrupted on the way."""
    interruptions = 0
    for stream in source.streams:
        while True:
            try:
                pull(settings, source, stream, window)
                break
            except SourceError:
                interruptions += 1
                assert interruptions < 200
    return interruptions


def accepted(settings: Settings, source: ActiveSource) -> dict[str, list[tuple[Any, ...]]]:
    """The accepted rows of each entity, but for when they were received."""
    columns = {
        "contacts": "source_contact_id, email, created_at, updated_at",
        "payments": "source_payment_id, payment_amount, payment_status, updated_at",
        "payments__refunds": "source_payment_id, source_charge_id, payment_amount",
        "subscriptions": "source_subscription_id, period_amount, status, updated_at",
        "invoices": "source_invoice_id, due_amount, paid_amount, status, updated_at",
    }
    with duckdb.connect() as connection:
        create_views(connection, settings, source)
        connection.execute("create schema staging")
        for name, staged in staging_tables(settings).items():
            connection.execute(f"create table {name} as {staged.table.sql}")
        return {
            entity: connection.execute(
                f"select {listed} from staging.stripe_{entity}"
                " where outcome = 'accepted' order by 1"
            ).fetchall()
            for entity, listed in columns.items()
        }


def truth(sandbox: Sandbox) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "contacts": sorted(
            (f"cus_{row['account_id']}", row["email"], *_moments(row, "created_at", "updated_at"))
            for row in sandbox.truth("accounts").to_dicts()
        ),
        "payments": sorted(
            (f"ch_{row['charge_id']}", row["amount"], row["status"], *_moments(row, "updated_at"))
            for row in sandbox.truth("charges").to_dicts()
        ),
        "payments__refunds": sorted(
            (f"re_{row['charge_refund_id']}", f"ch_{row['charge_id']}", row["amount"])
            for row in sandbox.truth("charge_refunds").to_dicts()
        ),
        "subscriptions": sorted(
            (
                f"sub_{row['subscription_id']}",
                row["amount"],
                "canceled" if row["status"] == "cancelled" else row["status"],
                *_moments(row, "updated_at"),
            )
            for row in sandbox.truth("subscriptions").to_dicts()
        ),
        "invoices": sorted(
            (
                f"in_{row['invoice_id']}",
                row["due_amount"],
                row["paid_amount"],
                row["status"],
                *_moments(row, "updated_at"),
            )
            for row in sandbox.truth("invoices").to_dicts()
        ),
    }


def _moments(row: dict[str, Any], *names: str) -> Iterator[dt.datetime]:
    return (row[name].replace(tzinfo=None, microsecond=0) for name in names)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(
            share=0.2, kinds=("rate_limit", "server_error", "broken_json", "clock_off", "reset")
        ),
    ],
    ids=["well", "faulty"],
)
def test_after_two_pulls_staging_is_the_truth(shop: Shop, faults: Faults) -> None:
    everything, middle = facts(), facts().end - LATER
    with Sandbox(
        everything, clock=middle, vendors=["stripe"], has_limits=False, faults=faults
    ) as sandbox:
        settings, source = shop(sandbox, page_size=50)
        pull_all(settings, source, Window(FIRST, middle))
        assert accepted(settings, source) == truth(sandbox)
        sandbox.advance(everything.end)
        pull_all(settings, source, Window(middle, everything.end))
        assert accepted(settings, source) == truth(sandbox)
        assert sum(row[1] for row in accepted(settings, source)["payments"]) > Decimal(1000)


def test_an_interrupted_pull_goes_on_and_ends_with_the_truth(shop: Shop) -> None:
    faults = Faults(share=0.2, kinds=("server_error",))
    with Sandbox(facts(), vendors=["stripe"], has_limits=False, faults=faults) as sandbox:
        settings, source = shop(sandbox, page_size=5, attempts=1)
        window = Window(FIRST, facts().end)
        assert pull_all(settings, source, window) > 2
        assert accepted(settings, source) == truth(sandbox)


@pytest.mark.parametrize("kind", ["customer", "charge", "refund", "event"])
def test_what_the_sandbox_answers_is_what_stripe_describes(kind: str) -> None:
    spec = find_shared_data("../specs/stripe/stripe.openapi3.json")
    schemas = Resource.from_contents(orjson.loads(spec.read_bytes()), DRAFT4)
    registry: Registry[Any] = Registry().with_resource("urn:stripe", schemas)
    reference = {"$ref": f"urn:stripe#/components/schemas/{kind}"}
    with Sandbox(facts(), vendors=["stripe"], has_limits=False) as sandbox:
        key = sandbox.credentials("stripe")["api_key"]
        answer = httpx.get(
            f"{sandbox.url('stripe')}/v1/{kind}s",
            headers={"Authorization": f"Bearer {key}"},
            params={"limit": 20},
        )
    for one in answer.json()["data"]:
        OAS30Validator(reference, registry=registry).validate(_without_nulls(one))


def _without_nulls(value: Any) -> Any:
    """The value without its null fields: `nullable` beside `anyOf` is not read as it is meant."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value

"""Shopify as the sandbox plays it: what its lists answer, and how it says no."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from marketing_platform.demo.sandbox.config import demo_sources
from marketing_platform.demo.sandbox.facts import make_facts
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.tls import trusted

PATH = "/admin/api/2026-10/graphql.json"
ORDERS = """
query Orders($first: Int!, $after: String, $query: String!, $lines: Int!) {
  orders(first: $first, after: $after, query: $query, sortKey: ID) {
    nodes {
      id updatedAt
      totalPriceSet { shopMoney { amount } }
      refunds { refundLineItems(first: 10) { nodes { quantity lineItem { id } } } }
      lineItems(first: $lines) { nodes { id quantity } pageInfo { hasNextPage endCursor } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
CUSTOMERS = """
{ customers(first: 250, query: "updated_at:>='%s' updated_at:<'%s'") { nodes { id updatedAt } } }
"""
ALWAYS = "updated_at:>='2020-01-01T00:00:00Z'"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    facts = make_facts(customers=100, end=dt.date(2025, 11, 20))
    with Sandbox(facts, vendors=["shopify"], has_limits=False) as running:
        yield running


def _ask(sandbox: Sandbox, question: str, **variables: Any) -> Any:
    url = sandbox.url("shopify")
    asked = {"grant_type": "client_credentials", **sandbox.credentials("shopify")}
    granted = httpx.post(f"{url}/admin/oauth/access_token", data=asked, verify=trusted())
    answer = httpx.post(
        url + PATH,
        json={"query": question, "variables": variables},
        headers={"X-Shopify-Access-Token": granted.json()["access_token"]},
        verify=trusted(),
    )
    return answer.json()


def _orders(sandbox: Sandbox, query: str = ALWAYS, lines: int = 50) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        body = _ask(sandbox, ORDERS, first=100, after=after, query=query, lines=lines)
        page = body["data"]["orders"]
        found.extend(page["nodes"])
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def test_the_orders_are_those_of_the_shop_each_once(sandbox: Sandbox) -> None:
    orders = _orders(sandbox)
    truth = sandbox.truth("orders")
    assert [order["id"] for order in orders] == [
        f"gid://shopify/Order/{number}" for number in truth["order_id"]
    ]
    amounts = [order["totalPriceSet"]["shopMoney"]["amount"] for order in orders]
    assert amounts == truth["total_amount"].cast(pl.String).to_list()


def test_orders_carry_their_lines_and_what_was_given_back(sandbox: Sandbox) -> None:
    orders = _orders(sandbox)
    lines = sum(len(order["lineItems"]["nodes"]) for order in orders)
    returned = sum(
        item["quantity"]
        for order in orders
        for refund in order["refunds"]
        for item in refund["refundLineItems"]["nodes"]
    )
    assert lines == sandbox.facts.order_lines.height
    assert returned == sandbox.truth("refunds")["quantity"].sum() > 0


def test_long_lists_within_an_order_go_on_at_their_cursor(sandbox: Sandbox) -> None:
    order = next(o for o in _orders(sandbox, lines=1) if o["lineItems"]["pageInfo"]["hasNextPage"])
    more = """
    query($id: ID!, $after: String!) { node(id: $id) { ... on Order {
      lineItems(first: 50, after: $after) { nodes { id } pageInfo { hasNextPage } } } } }
    """
    after = order["lineItems"]["pageInfo"]["endCursor"]
    rest = _ask(sandbox, more, id=order["id"], after=after)["data"]["node"]["lineItems"]
    ids = {line["id"] for line in [*order["lineItems"]["nodes"], *rest["nodes"]]}
    number = int(order["id"].rpartition("/")[2])
    known = sandbox.facts.order_lines.filter(pl.col("order_id") == number)["line_id"]
    assert ids == {f"gid://shopify/LineItem/{line}" for line in known}
    assert not rest["pageInfo"]["hasNextPage"]


def test_orders_are_found_by_the_moment_of_their_last_change(sandbox: Sandbox) -> None:
    term = "updated_at:>='2025-10-01T00:00:00Z' updated_at:<'2025-10-20T12:00:00Z'"
    found = _orders(sandbox, term)
    first, end = "2025-10-01T00:00:00Z", "2025-10-20T12:00:00Z"
    assert found
    assert len(found) == sum(first <= o["updatedAt"] < end for o in _orders(sandbox))


def test_customers_are_found_by_whole_days_only(sandbox: Sandbox) -> None:
    every = _ask(sandbox, CUSTOMERS % ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"))
    moments = sorted(node["updatedAt"] for node in every["data"]["customers"]["nodes"])
    day = moments[-1][:10]
    query = CUSTOMERS % (f"{day}T23:59:59Z", "2030-01-01T00:00:00Z")
    found = _ask(sandbox, query)["data"]["customers"]["nodes"]
    assert len(found) == sum(moment.startswith(day) for moment in moments) > 0


def test_a_wrong_token_or_an_unknown_field_is_refused(sandbox: Sandbox) -> None:
    answer = httpx.post(sandbox.url("shopify") + PATH, json={"query": "{ shop { name } }"})
    assert answer.status_code == 401
    assert "doesn't exist" in _ask(sandbox, "{ nonsense { id } }")["errors"][0]["message"]
    assert "errors" in _ask(sandbox, "{ shop { ")


def test_who_asks_for_too_much_is_throttled_with_a_200() -> None:
    facts = make_facts(customers=50, end=dt.date(2025, 11, 20), days=90)
    query = '{ orders(first: 1, query: "") { nodes { id } } }'
    with Sandbox(facts, vendors=["shopify"]) as sandbox:
        for _ in range(200):
            # Dear, so that a slow machine has not its points back before the next.
            body = _ask(sandbox, query, first=1500)
            if "errors" in body:
                break
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
    cost = body["extensions"]["cost"]
    assert cost["requestedQueryCost"] > cost["throttleStatus"]["currentlyAvailable"]


def test_the_settings_of_the_sources_keep_secrets_in_files_of_their_owner(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = demo_sources(sandbox, tmp_path)["shopify"]
    reference = re.fullmatch(r"\$\{file:(.*)\}", settings["client_secret"])
    assert reference
    kept = Path(reference[1])
    assert kept.read_text() == sandbox.credentials("shopify")["client_secret"]
    assert kept.stat().st_mode & 0o077 == 0
    assert settings["base_url"] == sandbox.url("shopify")

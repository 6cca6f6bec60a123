"""Shopify: the questions that are asked, the way through the pages, and what is read from them."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import build_client_schema, parse, validate
from json_answers import json_answer
from samples.shopify import SAMPLES, gid, line

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.shopify import queries
from marketing_platform.sources.shopify.source import SYSTEM
from marketing_platform.sources.shopify.walk import ShopifySettings, pause
from marketing_platform.sources.stream import Page, Window

JANUARY = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
Variables = dict[str, Any]


def settings(**more: Any) -> ShopifySettings:
    given = {"type": "shopify", "shop": "initech", "access_token": "shpat_secret", **more}
    return ShopifySettings.model_validate(given)


def answer(body: Any) -> Answer:
    return json_answer(body)


def connection(nodes: list[Any], variables: Variables, size: int) -> dict[str, Any]:
    """The page of a list that the variables ask for; a cursor is a place in it."""
    start = int(variables.get("after") or 0)
    end = start + size
    has_more = end < len(nodes)
    page = {"hasNextPage": has_more, "endCursor": str(end) if has_more else None}
    return {"nodes": nodes[start:end], "pageInfo": page}


class Shop(Client):
    """A shop of a few records, which remembers what it was asked."""

    def __init__(self, **lists: list[Any]) -> None:
        self.lists = lists
        self.asked: list[Variables] = []

    def send(self, request: Request) -> Answer:
        """A page, or lines of a record."""
        variables = request.json["variables"]
        self.asked.append(variables)
        if "id" in variables:
            return self.more_lines(request.json["query"], variables)
        name = next(name for name in self.lists if f"  {name}(" in request.json["query"])
        nodes = [self.cut(node, variables) for node in self.lists[name]]
        return answer({"data": {name: connection(nodes, variables, variables["first"])}})

    def more_lines(self, query: str, variables: Variables) -> Answer:
        name = "refundLineItems" if "MoreRefundLines" in query else "lineItems"
        holder = next(one for one in self.holders() if one["id"] == variables["id"])
        page = connection(holder[name]["nodes"], variables, variables["lines"])
        return answer({"data": {"node": {"id": variables["id"], name: page}}})

    def holders(self) -> Iterator[dict[str, Any]]:
        for nodes in self.lists.values():
            for node in nodes:
                yield node
                yield from node.get("refunds", ())

    def cut(self, node: dict[str, Any], variables: Variables) -> dict[str, Any]:
        """The record with as many lines as were asked for."""
        short = dict(node)
        for name in ("lineItems", "refundLineItems"):
            if name in node:
                short[name] = connection(node[name]["nodes"], {}, variables["lines"])
        if "refunds" in node:
            short["refunds"] = [self.cut(refund, variables) for refund in node["refunds"]]
        return short


def walked(client: Client, stream: str, **more: Any) -> list[tuple[Page, Any]]:
    walk: Any = SYSTEM.stream(stream).walk
    return list(walk.pages(client, settings(**more), JANUARY, None))


def records(pages: list[tuple[Page, Any]]) -> list[Any]:
    found = []
    for page, _ in pages:
        name = page.records.split(".")[2]
        found += json.loads(page.content)["data"][name]["nodes"]
    return found


@pytest.fixture(scope="module")
def schema(shared_data: Callable[[str], Path]) -> Any:
    path = shared_data(f"../specs/shopify/admin_{queries.API_VERSION}.json.gz")
    described = json.loads(gzip.decompress(path.read_bytes()))
    return build_client_schema(described.get("data", described), assume_valid=True)


@pytest.mark.parametrize("query", queries.ALL, ids=lambda query: query.split("(")[0].split()[1])
def test_shopify_knows_every_field_that_is_asked_for(query: str, schema: Any) -> None:
    assert validate(schema, parse(query)) == []


@pytest.mark.parametrize("stream", ["customers", "orders", "variants", "checkouts"])
def test_a_pull_that_goes_on_after_any_page_reads_what_is_left(stream: str) -> None:
    name = {"variants": "productVariants", "checkouts": "abandonedCheckouts"}.get(stream, stream)
    shop = Shop(**{name: [{"id": gid("Thing", number)} for number in range(7)]})
    pages = walked(shop, stream, page_size=2)
    assert len(records(pages)) == 7
    walk: Any = SYSTEM.stream(stream).walk
    for place, (_, checkpoint) in enumerate(pages[:-1]):
        kept = json.loads(json.dumps(checkpoint))
        left = list(walk.pages(shop, settings(page_size=2), JANUARY, kept))
        assert records(left) == records(pages[place + 1 :])
    assert pages[-1][1] is None


def test_deleted_products_follow_the_products() -> None:
    deleted = SAMPLES["products"][1]
    shop = Shop(products=[SAMPLES["products"][0]], deletionEvents=[deleted])
    assert records(walked(shop, "products")) == [SAMPLES["products"][0], deleted]
    assert "occurred_at:>=" in shop.asked[1]["query"]


def test_an_order_has_all_its_lines_and_refunded_lines_however_many() -> None:
    order = json.loads(json.dumps(SAMPLES["orders"][0]))
    order["lineItems"]["nodes"] = [line(number, 1, "1.00") for number in range(5)]
    order["refunds"][0]["refundLineItems"]["nodes"] = [
        {"id": gid("RefundLineItem", number)} for number in range(3)
    ]
    found = records(walked(Shop(orders=[order]), "orders", line_page_size=2))[0]
    assert found["lineItems"]["nodes"] == order["lineItems"]["nodes"]
    refunded = found["refunds"][0]["refundLineItems"]["nodes"]
    assert refunded == order["refunds"][0]["refundLineItems"]["nodes"]


def test_a_page_that_needs_nothing_more_is_kept_as_it_came() -> None:
    client = Shop(orders=SAMPLES["orders"])
    page, _ = walked(client, "orders")[0]
    assert (
        page.content
        == Shop(orders=SAMPLES["orders"])
        .send(Request("", json={"query": queries.ORDERS, "variables": client.asked[0]}))
        .content
    )


def test_a_time_filter_has_the_window_and_customers_are_asked_by_whole_days() -> None:
    shop = Shop(orders=[], customers=[])
    walked(shop, "orders")
    walked(shop, "customers")
    asked = [variables["query"] for variables in shop.asked]
    assert asked == [
        "updated_at:>='2026-01-01T00:00:00Z' updated_at:<'2026-02-01T00:00:00Z'",
        "updated_at:>='2025-12-31T00:00:00Z' updated_at:<'2026-02-02T00:00:00Z'",
    ]


def test_a_list_is_begun_anew_before_shopify_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketing_platform.sources.shopify.walk._LONGEST_LIST", 4)

    class Searching(Shop):
        def send(self, request: Request) -> Answer:
            above = request.json["variables"]["query"].partition(" id:>")[2]
            everything = self.lists
            kept = [n for n in everything["orders"] if int(n["id"][-2:]) > int(above or 0)]
            self.lists = {"orders": kept}
            try:
                return super().send(request)
            finally:
                self.lists = everything

    orders = [{"id": gid("Order", number)} for number in range(10, 21)]
    shop = Searching(orders=orders)
    assert records(walked(shop, "orders", page_size=2)) == orders
    assert max(int(one["after"] or 0) for one in shop.asked) == 2


def failure(code: str, message: str = "No") -> dict[str, Any]:
    cost = {
        "requestedQueryCost": 700,
        "actualQueryCost": None,
        "throttleStatus": {
            "maximumAvailable": 2000.0,
            "currentlyAvailable": 100,
            "restoreRate": 100.0,
        },
    }
    error = {"message": message, "extensions": {"code": code}}
    return {"errors": [error], "extensions": {"cost": cost}}


def test_a_query_that_costs_too_much_is_asked_for_fewer_records() -> None:
    class Dear(Shop):
        def send(self, request: Request) -> Answer:
            if request.json["variables"]["first"] > 12:
                self.asked.append(request.json["variables"])
                return answer(failure("MAX_COST_EXCEEDED"))
            return super().send(request)

    orders = [{"id": gid("Order", number)} for number in range(30)]
    shop = Dear(orders=orders)
    assert records(walked(shop, "orders")) == orders
    assert [one["first"] for one in shop.asked] == [50, 25, 12, 12, 12]


def test_a_page_that_comes_twice_is_asked_for_again() -> None:
    class Stuttering(Shop):
        last: Answer | None = None

        def send(self, request: Request) -> Answer:
            if self.last and len(self.asked) == 1:
                self.asked.append({})
                return self.last
            self.last = super().send(request)
            return self.last

    orders = [{"id": gid("Order", number)} for number in range(5)]
    assert records(walked(Stuttering(orders=orders), "orders", page_size=2)) == orders


def test_a_throttled_query_waits_until_the_shop_has_the_points() -> None:
    assert pause(answer(failure("THROTTLED"))) == 6.0
    assert pause(answer(failure("INTERNAL_SERVER_ERROR"))) == 1.0
    assert pause(answer({"data": {}})) is None
    assert pause(answer(None)) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (failure("ACCESS_DENIED", "Access denied for orders"), "Access denied for orders"),
        ({"errors": "[API] Invalid API key"}, "Invalid API key"),
        ({"data": None}, "no data"),
        ({"data": {"orders": None}}, "no new page of orders"),
        ([], "no data"),
    ],
)
def test_an_answer_that_tells_of_an_error_stops_the_pull(body: Any, said: str) -> None:
    class Refusing(Client):
        def send(self, request: Request) -> Answer:
            return answer(body)

    with pytest.raises(SourceError, match=said) as raised:
        walked(Refusing(), "orders")
    assert "shpat_secret" not in str(raised.value)


def test_the_probe_names_the_shop_or_the_scopes_that_are_missing() -> None:
    class Granting(Client):
        def __init__(self, *scopes: str) -> None:
            self.scopes = [{"handle": scope} for scope in scopes]

        def send(self, request: Request) -> Answer:
            app = {"accessScopes": self.scopes}
            return answer({"data": {"shop": {"name": "Initech"}, "currentAppInstallation": app}})

    probe: Callable[..., str] = SYSTEM.probe  # type: ignore[assignment]
    enough = ("read_customers", "write_orders", "read_products")
    assert probe(Granting(*enough, "read_all_orders"), settings()) == "Initech"
    assert "60 days alone" in probe(Granting(*enough), settings())
    with pytest.raises(SourceError, match="read_orders"):
        probe(Granting("read_customers", "read_products"), settings())


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"client_id": "app"},
        {"client_secret": "shpss_secret"},
        {"client_id": "app", "client_secret": "shpss_secret", "access_token": "shpat_secret"},
        {"client_id": "app", "access_token": "shpat_secret"},
    ],
)
def test_an_app_has_one_way_in(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="write client_id and client_secret") as raised:
        ShopifySettings.model_validate({"type": "shopify", "shop": "initech", **given})
    assert "secret" not in str(raised.value).split("[type=")[0].replace("client_secret", "")


def test_the_shop_s_name_is_enough_and_another_address_can_stand_for_it(tmp_path: Path) -> None:
    assert settings(shop="initech.myshopify.com").url == "https://initech.myshopify.com"
    assert settings(base_url="http://127.0.0.1:9").url == "http://127.0.0.1:9"
    assert "shpat_secret" not in repr(settings())

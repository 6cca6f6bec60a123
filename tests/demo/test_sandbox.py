"""The sandbox itself, with a vendor of its own: credentials, limits, the clock and faults."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

import httpx
import polars as pl
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox, Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, encode

END = dt.date(2025, 11, 20)


def _order_rows(facts: Facts) -> pl.DataFrame:
    payload = pl.struct(id="order_id", total=pl.col("total_amount").cast(pl.String))
    return encode(facts.orders.select(key="order_id", updated_at="updated_at", payload=payload))


def _routes(shop: Shop) -> list[Route]:
    orders = shop.shelf(_order_rows(shop.facts))

    async def list_orders(request: Request) -> Response:
        page = int(request.query_params.get("page", 1))
        found = orders.select(offset=(page - 1) * 100, limit=100)
        body = b'{"orders":[' + b",".join(found.payloads) + b"]}"
        return Response(body, media_type="application/json")

    return [Route("/orders", list_orders)]


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("authorization")
    return None if given == f"Bearer {shop.credentials['token']}" else _error(401)


def _error(status: int) -> Response:
    return JSONResponse({"message": "no"}, status, {"Retry-After": "1"} if status == 429 else {})


ACME = Vendor("acme", _routes, _authorised, _error, rate=(50, 1.0))


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=150, end=END)


@pytest.fixture
def sandbox(facts: Facts) -> Iterator[Sandbox]:
    with Sandbox(facts, vendors=[ACME], has_limits=False) as running:
        yield running


def _client(sandbox: Sandbox) -> httpx.Client:
    token = sandbox.credentials("acme")["token"]
    return httpx.Client(
        base_url=sandbox.url("acme"), headers={"Authorization": f"Bearer {token}"}, timeout=10
    )


def _all(client: httpx.Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for page in range(1, 1000):
        records = client.get("/orders", params={"page": page}).json()["orders"]
        found.extend(records)
        if len(records) < 100:
            break
    return found


def test_all_pages_together_are_the_truth(sandbox: Sandbox) -> None:
    with _client(sandbox) as client:
        served = {record["id"]: record["total"] for record in _all(client)}
    truth = sandbox.truth("orders")
    assert served == dict(
        truth.select("order_id", pl.col("total_amount").cast(pl.String)).iter_rows()
    )


def test_nobody_is_served_without_the_credentials_of_this_start(sandbox: Sandbox) -> None:
    assert httpx.get(f"{sandbox.url('acme')}/orders").status_code == 401
    wrong = {"Authorization": "Bearer guess"}
    assert httpx.get(f"{sandbox.url('acme')}/orders", headers=wrong).status_code == 401


def test_records_after_the_clock_are_not_there_yet(sandbox: Sandbox, facts: Facts) -> None:
    before = facts.end - dt.timedelta(days=100)
    with _client(sandbox) as client:
        sandbox.advance(before)
        early = len(_all(client))
        sandbox.advance(facts.end)
        late = len(_all(client))
    placed = facts.orders.filter(pl.col("ordered_at") <= before)["order_id"].n_unique()
    assert early == placed
    assert late == facts.orders["order_id"].n_unique() > early


def test_a_vendor_that_is_asked_too_often_says_so_in_its_own_words(facts: Facts) -> None:
    with Sandbox(facts, vendors=[ACME]) as sandbox, _client(sandbox) as client:
        statuses = [client.get("/orders").status_code for _ in range(60)]
        answer = client.get("/orders")
    assert statuses[:50] == [200] * 50
    assert 429 in statuses
    assert answer.json() == {"message": "no"} or answer.status_code == 200


def _outcome(client: httpx.Client, page: int) -> str:
    try:
        answer = client.get("/orders", params={"page": page})
        answer.raise_for_status()
        return str(len(answer.json()["orders"]))
    except (httpx.HTTPError, ValueError) as error:
        return type(error).__name__


def test_faults_happen_to_the_same_requests_every_time(facts: Facts) -> None:
    faults = Faults(share=0.4, slow_seconds=0.01)
    seen = []
    for _ in range(2):
        with (
            Sandbox(facts, vendors=[ACME], faults=faults, has_limits=False) as sandbox,
            _client(sandbox) as client,
        ):
            outcomes = [_outcome(client, page) for page in range(1, 6) for _ in range(8)]
            seen.append((outcomes, dict(sandbox.faults_happened)))
    assert seen[0] == seen[1]
    assert {"HTTPStatusError", "JSONDecodeError", "RemoteProtocolError"} & set(seen[0][0])
    assert len(seen[0][1]) >= 5


def test_the_same_request_does_not_go_wrong_for_ever(facts: Facts) -> None:
    faults = Faults(share=1.0, kinds=("server_error",), in_a_row=2)
    with (
        Sandbox(facts, vendors=[ACME], faults=faults) as sandbox,
        _client(sandbox) as client,
    ):
        statuses = [client.get("/orders").status_code for _ in range(6)]
    assert statuses == [500, 500, 200, 500, 500, 200]


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_a_cut_connection_is_cut(facts: Facts, kind: str) -> None:
    faults = Faults(share=1.0, kinds=(kind,), in_a_row=1)  # type: ignore[arg-type]
    with (
        Sandbox(facts, vendors=[ACME], faults=faults) as sandbox,
        _client(sandbox) as client,
    ):
        with pytest.raises(httpx.TransportError):
            client.get("/orders")
        assert client.get("/orders").status_code == 200


def test_requests_are_counted_by_path(sandbox: Sandbox) -> None:
    with _client(sandbox) as client:
        client.get("/orders")
        client.get("/orders", params={"page": 2})
    assert sandbox.requests["GET /acme/orders"] == 2


def test_a_page_of_many_records_takes_well_under_a_hundredth_of_a_second() -> None:
    size = 200_000
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    shelf = Shelf(
        pl.select(
            key=pl.int_range(size),
            updated_at=pl.lit(start) + pl.duration(seconds=pl.int_range(size)),
            payload=pl.int_range(size).cast(pl.String),
        )
    )
    shelf.select(first=start)
    begin = time.perf_counter()
    after, pages = None, 0
    while pages < 100:
        page = shelf.select(first=start, after=after, limit=250)
        after, pages = page.last, pages + 1
    assert page.keys[-1] == 24_999
    assert (time.perf_counter() - begin) / pages < 0.01

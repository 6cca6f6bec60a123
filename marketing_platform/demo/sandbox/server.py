'''The sandbox: the simulated shop over HTTP on the loopback, a vendor per path.

    with Sandbox(make_facts(customers=200, end=dt.date(2025, 11, 20))) as sandbox:
        sandbox.url("acme")             # http://127.0.0.1:40123/acme
        sandbox.credentials("acme")     # {"token": "..."}, new at every start
        sandbox.advance(moment)         # the clock; records after it are not there yet
        sandbox.truth("orders")         # what is visible now, newest versions, as a frame
        sandbox.requests                # Counter of "GET /acme/orders"

A vendor is a module `sandbox/<name>.py` that defines `VENDOR`. A whole one:

    """Acme: orders by time, a page number, a bearer token."""

    def _orders(facts: Facts) -> pl.DataFrame:
        payload = pl.struct(id="order_id", total=pl.col("total_amount").cast(pl.String))
        return encode(facts.orders.select(key="order_id", updated_at="updated_at", payload=payload))

    def _routes(shop: Shop) -> list[Route]:
        orders = shop.shelf(_orders(shop.facts))      # follows the sandbox's clock

        async def list_orders(request: Request) -> Response:
            page = int(request.query_params.get("page", 1))
            since = request.query_params.get("since")
            found = orders.select(
                first=dt.datetime.fromisoformat(since) if since else None,
                offset=(page - 1) * 100,
                limit=100,
            )
            body = b'{"orders":[' + b",".join(found.payloads) + b"]}"
            return Response(body, media_type="application/json")

        return [Route("/orders", list_orders)]

    def _authorised(shop: Shop, request: Request) -> Response | None:
        given = request.headers.get("authorization")
        return None if given == f"Bearer {shop.credentials['token']}" else _error(401)

    def _error(status: int) -> Response:
        headers = {"Retry-After": "1"} if status == 429 else {}
        return JSONResponse({"message": "no"}, status, headers)

    VENDOR = Vendor("acme", _routes, _authorised, _error, rate=(100, 1.0))

Render payloads once, with polars, from `shop.facts` (columns: see `facts`). Endpoints are
`async def` and must not wait. Full addresses for `next` links: `shop.url`. A vendor whose limits
are not requests a second (points, daily quotas) keeps count in its endpoint, and asks
`shop.has_limits` whether to. What `authorised` lets pass without credentials (a token endpoint), it
decides by `request.url.path`.

The fault `repeat_page` answers with the answer before of the same path. Where a path has more than
one list (reports, GraphQL), its endpoint names the one in question: `request.scope["listing"]`.
'''

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import polars as pl
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.faults import FaultDraw, Faults, mistyped
from marketing_platform.demo.sandbox.shelf import Shelf, skips_page

_HOST = "127.0.0.1"
_CLOCK_OFF_SECONDS = 5 * 3600
# How vendors call the place from which a list goes on.
_PLACES = {
    *("after", "cursor", "page", "offset", "start", "starting_after", "page[cursor]"),
    *("pageToken", "page_token", "next_page_token", "Page", "PageToken"),
}
_CORE = {"__init__", "facts", "faults", "server", "shelf", "config"}


@dataclass
class Shop:
    """What a vendor module serves from: the facts, its credentials, and where it is served."""

    facts: Facts
    credentials: Mapping[str, str]
    clock: dt.datetime
    has_limits: bool = True
    url: str = ""
    shelves: list[Shelf] = field(default_factory=list)

    def shelf(self, frame: pl.DataFrame) -> Shelf:
        """A shelf of these records (key, updated_at, payload, ...) that follows the clock."""
        shelf = Shelf(frame)
        shelf.set_clock(self.clock)
        self.shelves.append(shelf)
        return shelf

    def set_clock(self, moment: dt.datetime) -> None:
        """Move all shelves to this moment."""
        self.clock = moment
        for shelf in self.shelves:
            shelf.set_clock(moment)


@dataclass(frozen=True)
class Vendor:
    """A system as the sandbox plays it.

    `authorised` answers what the vendor answers to somebody it does not know, None where it does.
    `error` makes the vendor's answer of a status (429, 500, 503). `rate` is how many requests it
    takes in how many seconds, `reset_header` the header that says in how many milliseconds there is
    room again. `credentials` names the secrets it needs; they are drawn at random.
    They are called as in the settings of the source that reads this vendor; `settings` are its
    other ones, besides `base_url`, in which `{url}` stands for where the vendor is served.
    """

    name: str
    routes: Callable[[Shop], list[Route]]
    authorised: Callable[[Shop, Request], Response | None]
    error: Callable[[int], Response]
    rate: tuple[int, float] | None = None
    credentials: tuple[str, ...] = ("token",)
    reset_header: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def vendor_names() -> tuple[str, ...]:
    """The vendors there are: the modules beside this one that are not its own parts."""
    stems = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(name for name in stems - _CORE if not name.startswith("_")))


def find_vendor(name: str) -> Vendor:
    """The vendor of this name; its module is imported only now."""
    module = importlib.import_module(f"marketing_platform.demo.sandbox.{name}")
    vendor: Vendor = module.VENDOR
    return vendor


class Sandbox:
    """Serves the vendors from `with` to the end of it, each at `url(name)`.

    `vendors` are names or `Vendor`s, by default all there are. Without `has_limits` no vendor is
    ever busy. `clock` is where time stands, by default at the end of the facts. `credentials` are
    those of an earlier start, by vendor; others are drawn.
    """

    def __init__(
        self,
        facts: Facts,
        *,
        clock: dt.datetime | None = None,
        faults: Faults | None = None,
        vendors: Iterable[str | Vendor] | None = None,
        has_limits: bool = True,
        port: int = 0,
        credentials: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.facts = facts
        self.requests: Counter[str] = Counter()
        self.clock = clock or facts.end
        self._draw = FaultDraw(faults or Faults())
        chosen = [
            find_vendor(vendor) if isinstance(vendor, str) else vendor
            for vendor in (vendor_names() if vendors is None else vendors)
        ]
        self._vendors = {vendor.name: vendor for vendor in chosen}
        self._shops = {
            name: Shop(
                facts,
                _drawn_credentials(vendor) | dict((credentials or {}).get(name, {})),
                self.clock,
                has_limits,
            )
            for name, vendor in self._vendors.items()
        }
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:
        routes = [Mount(f"/{name}", app=self._door(name)) for name in self._vendors]
        config = uvicorn.Config(
            _with_transport(Starlette(routes=routes)),
            host=_HOST,
            port=self._port,
            log_level=60,
            access_log=False,
            lifespan="off",
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        socket = config.bind_socket()
        self._port = socket.getsockname()[1]
        for name, shop in self._shops.items():
            shop.url = self.url(name)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [socket]}, daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10)

    @property
    def vendors(self) -> tuple[str, ...]:
        """The names of those served."""
        return tuple(self._vendors)

    @property
    def faults_happened(self) -> Counter[str]:
        """How often the sandbox misbehaved, by kind."""
        return self._draw.happened

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://{_HOST}:{self._port}"

    def url(self, vendor: str) -> str:
        """Where a vendor is served; takes the place of its own base URL."""
        return f"{self.address}/{vendor}"

    def credentials(self, vendor: str) -> dict[str, str]:
        """The secrets that the vendor accepts."""
        return dict(self._shops[vendor].credentials)

    def settings(self, vendor: str) -> dict[str, str]:
        """What the source of this vendor needs besides the credentials."""
        url = self.url(vendor)
        given = self._vendors[vendor].settings
        return {"base_url": url} | {key: text.replace("{url}", url) for key, text in given.items()}

    def advance(self, moment: dt.datetime) -> None:
        """Move the clock."""
        self.clock = moment
        for shop in self._shops.values():
            shop.set_clock(moment)

    def truth(self, table: str) -> pl.DataFrame:
        """The newest versions of a table of the facts that the clock has reached."""
        return self.facts.latest(table, self.clock)

    def _door(self, name: str) -> ASGIApp:
        """The vendor's routes, each behind its limits, faults and credentials."""
        vendor, shop = self._vendors[name], self._shops[name]
        door = _Door(self, vendor, shop)
        routes = [
            Route(route.path, door.guarded(route.endpoint), methods=list(route.methods or ["GET"]))
            for route in vendor.routes(shop)
        ]
        return Starlette(routes=routes)


class _Door:
    """What happens to a request before and after the vendor's own code."""

    def __init__(self, sandbox: Sandbox, vendor: Vendor, shop: Shop) -> None:
        self._sandbox, self._vendor, self._shop = sandbox, vendor, shop
        self._recent: deque[float] = deque()
        self._previous: dict[str, Response] = {}

    def guarded(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint behind the door."""
        handle = self._handled(endpoint)

        async def dated(request: Request) -> Response:
            answer = await handle(request)
            ahead = _CLOCK_OFF_SECONDS if request.scope.get("sandbox_clock_off") else 0
            answer.headers["Date"] = formatdate(time.time() + ahead, usegmt=True)
            return answer

        return dated

    def _handled(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            path = request.url.path
            self._sandbox.requests[f"{request.method} {path}"] += 1
            if wait := self._busy_seconds():
                refusal = self._vendor.error(429)
                if self._vendor.reset_header:
                    refusal.headers[self._vendor.reset_header] = str(int(wait * 1000) + 1)
                return refusal
            query = request.url.query.encode()
            identity = b"%s %s?%s " % (request.method.encode(), path.encode(), query)
            kind = self._sandbox._draw.draw(identity + await request.body())
            if kind in ("rate_limit", "server_error"):
                return self._vendor.error(429 if kind == "rate_limit" else 500)
            if kind == "reset":
                return _Reset()
            request.scope["sandbox_clock_off"] = kind == "clock_off"
            if kind == "slow":
                await asyncio.sleep(self._sandbox._draw.faults.slow_seconds)
            refused = self._vendor.authorised(self._shop, request)
            if refused is not None:
                return refused
            skipping = skips_page.set(kind == "skip_page")
            try:
                answer = await endpoint(request)
            finally:
                skips_page.reset(skipping)
            listing = request.scope.get("listing", path)
            previous = self._previous.get(listing, answer)
            self._previous[listing] = answer
            return _spoiled(kind, answer, previous)

        return handle

    def _busy_seconds(self) -> float:
        """In how many seconds there is room for a request; 0 where there is."""
        if self._vendor.rate is None or not self._shop.has_limits:
            return 0
        count, seconds = self._vendor.rate
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - seconds:
            self._recent.popleft()
        if len(self._recent) >= count:
            return self._recent[0] + seconds - now
        self._recent.append(now)
        return 0


class _Reset(Response):
    """No answer: the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["sandbox_transport"].abort()


class _Truncated(Response):
    """Half of an answer: the connection is cut in the middle of the body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["sandbox_transport"].close()


def _walk(request: Request, body: bytes) -> tuple[str, bool]:
    """What is asked for but for the page of it, and whether it is the first page."""
    asked: dict[str, Any] = dict(request.query_params)
    try:
        content = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        content = {}
    if isinstance(content, dict):
        inner = content.pop("variables", None)
        asked = asked | content | (inner if isinstance(inner, dict) else {})
    rest = {key: value for key, value in asked.items() if key not in _PLACES}
    is_first = not any(asked.get(key) for key in _PLACES)
    return f"{request.url.path} {sorted(map(str, rest.items()))}", is_first


def _spoiled(kind: str | None, answer: Response, previous: Response) -> Response:
    if kind == "repeat_page":
        return previous
    if kind == "wrong_type":
        return _with_body(answer, mistyped(bytes(answer.body)))
    if kind == "truncated":
        return _Truncated(bytes(answer.body), answer.status_code, media_type=answer.media_type)
    if kind == "broken_json":
        return _with_body(answer, bytes(answer.body[: len(answer.body) // 2]))
    return answer


def _with_body(answer: Response, body: bytes) -> Response:
    headers = {name: told for name, told in answer.headers.items() if name != "content-length"}
    return Response(body, answer.status_code, headers)


def _with_transport(app: ASGIApp) -> ASGIApp:
    """The app with the connection itself in the scope, so that an answer can cut it."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["sandbox_transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await app(scope, receive, send)

    return outer


def _drawn_credentials(vendor: Vendor) -> dict[str, str]:
    return {name: secrets.token_urlsafe(24) for name in vendor.credentials}

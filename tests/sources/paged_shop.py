"""A vendor on the loopback that pages through records, with faults on order."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.client import Request
from marketing_platform.sources.fields import ident, timestamp
from marketing_platform.sources.paging import NextUrl, Rest
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

SECRET = "s3cr3t/t0ken value"
FAULTS = ("429", "500", "truncated", "closed")


@dataclass
class Vendor:
    """What the server serves, how it misbehaves, and what it was asked."""

    records: list[dict[str, Any]] = field(default_factory=list)
    size: int = 100
    fault_share: float = 0.0
    faults: tuple[str, ...] = FAULTS
    pause_seconds: float = 0.0
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    script: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; status 0 closes the connection."""
        if self.script:
            return self.script.pop(0)
        query = parse_qs(urlsplit(target).query)
        start = int(query.get("start", ["0"])[0])
        page = self.records[start : start + self.size]
        more = start + self.size < len(self.records)
        token = httpx.QueryParams({"start": start + self.size, "access_token": SECRET})
        body = {"data": page, "next": f"{self.url}/items?{token}" if more else None}
        content = json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        if self.chance.random() < self.fault_share:
            fault = self.chance.choice(self.faults)
            if fault == "429":
                return 429, {**kind, "Retry-After": "0"}, b'{"message": "slow down"}'
            if fault == "500":
                return 500, kind, b"oops"
            return (
                (200, kind, content[: len(content) // 2]) if fault == "truncated" else (0, {}, b"")
            )
        self.answered[str(start)] += 1
        return 200, kind, content


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    """The vendor on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            vendor.asked[self.path] += 1
            vendor.headers.append(dict(self.headers))
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            time.sleep(vendor.pause_seconds)
            status, headers, content = vendor.answer(self.path)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class ShopSettings(SystemSettings):
    token: SecretStr = SecretStr(SECRET)


def stream(reads: Any = "changes") -> Stream:
    return Stream(
        name="items",
        walk=Rest(
            lambda settings, window: Request("items", params={"first": window.first.isoformat()}),
            "$.data",
            NextUrl("$.next"),
        ),
        updated_at=timestamp("updated_at", "$.updated_at"),
        fields=(ident("id", "$.id"),),
        reads=reads,
    )


def shop(vendor_url: str, reads: Any = "changes", **settings: Any) -> ActiveSource:
    given = {"type": "paged_shop", "base_url": vendor_url, "retry_seconds": 0.001, **settings}
    system = System(
        name="paged_shop",
        title="Paged shop",
        settings_model=ShopSettings,
        streams=(stream(reads),),
        api=lambda s: Api(
            s.base_url,
            headers={"X-Token": s.token.get_secret_value()},
            concurrency=4,
        ),
    )
    return ActiveSource("shop", system, ShopSettings.model_validate(given))


def window(first: str, end: str) -> Window:
    import datetime as dt

    def moment(text: str) -> dt.datetime:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    return Window(moment(first), moment(end))


def record(number: int, day: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "updated_at": f"2026-01-{day:02d}T00:{number % 60:02d}:00Z", **more}

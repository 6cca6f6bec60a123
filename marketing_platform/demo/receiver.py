"""A real HTTP receiver on the loopback, for the demo and for tests.

It keeps the rows that it accepts, drops a row whose key it has seen, and can be told to misbehave
in the ways that vendors do: refuse, be busy, be slow, drop the connection, act and not answer.

    python -m marketing_platform.demo.receiver --port 0 --log received.jsonl

`GET /received` tells what has arrived; `POST /misbehave` with a fault as JSON queues that fault.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Fault:
    """One misbehaviour, for the next `times` requests.

    - `status`: answer with `status` and `body`, and with `retry_after` if set; nothing is accepted.
    - `slow`: wait `seconds`, then behave well.
    - `drop`: close the connection without reading or accepting anything.
    - `act_then_drop`: accept the rows, then close in the middle of the answer.
    - `act_then_wait`: accept the rows, then answer only after `seconds`.
    - `page`: answer 200 with a web page; nothing is accepted.
    - `silent`: accept, and answer 200 without naming rows.
    """

    kind: Literal["status", "slow", "drop", "act_then_drop", "act_then_wait", "page", "silent"]
    times: int = 1
    status: int = 500
    body: str = '{"message": "told to fail"}'
    retry_after: str | None = None
    seconds: float = 0.0


@dataclass
class Received:
    """What has arrived. `rows` holds accepted rows by key, `seen` how often each key came.

    `changed_requests` lists idempotency keys that came again with another body: a sender's mistake.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    bodies: dict[str, bytes] = field(default_factory=dict)
    changed_requests: list[str] = field(default_factory=list)
    audiences: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)

    def summary(self) -> dict[str, int]:
        """The counts, for a person."""
        return {
            "requests": self.requests,
            "rows_seen": sum(self.seen.values()),
            "rows_accepted": len(self.rows),
            "rows_refused": sum(self.refused.values()),
            "changed_requests": len(self.changed_requests),
        }


class Receiver:
    """The receiver: start it with `with Receiver() as receiver`, send to `receiver.url`.

    `bad_customers` are refused: each by a result inside a 200 (`row`) or inside a 400 (`named`), or
    with its whole batch by a bare 400 (`batch`).
    """

    def __init__(self, *, port: int = 0, log: Path | None = None, token: str | None = None) -> None:
        self.received = Received()
        self.bad_customers: dict[str, Literal["row", "named", "batch"]] = {}
        self._token = token
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self._server = _Server((_HOST, port), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where to send batches."""
        return f"http://{_HOST}:{self.port}/rows"

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Answer requests, in threads of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; what has arrived stays."""
        self._server.shutdown()
        self._server.server_close()
        if self._log:
            self._log.close()

    def misbehave(self, *faults: Fault) -> None:
        """Queue faults; each is used up by the requests that come."""
        with self._lock:
            for fault in faults:
                self._faults.extend([fault] * fault.times)

    def behave(self) -> None:
        """Forget the faults that are left."""
        with self._lock:
            self._faults.clear()

    def next_fault(self) -> Fault | None:
        """Count a request; the fault that it meets, if any."""
        with self._lock:
            self.received.requests += 1
            return self._faults.popleft() if self._faults else None

    def allows(self, authorization: str | None) -> bool:
        """Whether the request has the right token."""
        return self._token is None or authorization == f"Bearer {self._token}"

    def note_request(self, key: str, body: bytes) -> None:
        """Remember a request by its idempotency key, to see whether a repetition is one."""
        with self._lock:
            if self.received.bodies.setdefault(key, body) != body:
                self.received.changed_requests.append(key)

    def take(self, content: dict[str, Any]) -> tuple[int, list[dict[str, str]] | None]:
        """Accept the rows of a batch that are good; the status and, if named, each row's result."""
        with self._lock:
            rows = content["rows"]
            ways = {self.bad_customers.get(row["customer_id"]) for row in rows}
            if "batch" in ways:
                self.received.refused.update(row["key"] for row in rows)
                return 400, None
            status = 400 if "named" in ways else 200
            return status, [self._take_row(content, row, status) for row in rows]

    def _take_row(
        self, content: dict[str, Any], row: dict[str, Any], status: int
    ) -> dict[str, str]:
        key = row["key"]
        self.received.seen[key] += 1
        if row["customer_id"] in self.bad_customers:
            self.received.refused[key] += 1
            return {"key": key, "status": "error", "message": f"bad row {row['customer_id']}"}
        if status != 200:
            return {"key": key, "status": "unread"}
        if key in self.received.rows:
            return {"key": key, "status": "duplicate"}
        self.received.rows[key] = row
        self._apply(content, row)
        if self._log:
            self._log.write(json.dumps(row) + "\n")
            self._log.flush()
        return {"key": key, "status": "ok"}

    def _apply(self, content: dict[str, Any], row: dict[str, Any]) -> None:
        """Keep the audience as a vendor would."""
        name = (content["destination"], content["audience"])
        members = self.received.audiences.setdefault(name, {})
        if row["operation"] == "remove":
            members.pop(row["customer_id"], None)
        else:
            members[row["customer_id"]] = row


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed leaves a broken connection; that is what this is here for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is written in two parts; waiting to join them costs 40 ms a request.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Tell what has arrived."""
        self._answer(200, json.dumps(self.server.receiver.received.summary()))

    def do_POST(self) -> None:
        """Take a batch, or queue a fault."""
        receiver = self.server.receiver
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            # The sender died in the middle of its request.
            self.close_connection = True
            return
        if self.path == "/misbehave":
            receiver.misbehave(Fault(**json.loads(body)))
            self._answer(200, "{}")
            return
        fault = receiver.next_fault()
        if not receiver.allows(self.headers.get("Authorization")):
            self._answer(401, '{"message": "bad token"}')
            return
        receiver.note_request(self.headers.get("Idempotency-Key", ""), body)
        if fault is None or fault.kind == "slow":
            time.sleep(fault.seconds if fault else 0)
            self._take(body)
        else:
            self._misbehave(fault, body)

    def _take(self, body: bytes) -> None:
        status, results = self.server.receiver.take(json.loads(body))
        content = {"message": "bad row in batch"} if results is None else {"results": results}
        self._answer(status, json.dumps(content))

    def _misbehave(self, fault: Fault, body: bytes) -> None:
        if fault.kind == "status":
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._answer(fault.status, fault.body, headers=headers)
        elif fault.kind == "page":
            self._answer(200, "<html>Please sign in</html>", content_type="text/html")
        elif fault.kind == "drop":
            self._drop()
        else:
            self.server.receiver.take(json.loads(body))
            self._answer_badly(fault)

    def _answer_badly(self, fault: Fault) -> None:
        if fault.kind == "silent":
            self._answer(200, "OK", content_type="text/plain")
        elif fault.kind == "act_then_wait":
            time.sleep(fault.seconds)
            self._answer(200, "{}")
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(
        self,
        status: int,
        body: str,
        *,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; the counts are at /received."""


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the receiver until it is told to stop."""
    parser = argparse.ArgumentParser(description="A receiver of webhook batches on the loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", type=Path, help="append accepted rows to this JSON-lines file")
    options = parser.parse_args(None if arguments is None else list(arguments))
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    with Receiver(port=options.port, log=options.log) as receiver:
        print(f"listening on {receiver.url}", flush=True)
        ended.wait()
        print(json.dumps(receiver.received.summary()), flush=True)


if __name__ == "__main__":
    main()

"""A vendor on the loopback that gives tokens, as an OAuth 2 server does."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

SECRET, REFRESH = "client-secret-0815", "refresh-token-4711"


class Vendor:
    """Gives tokens at /token, and answers everything else to whoever bears the newest one."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.lifetime: int | None = 3600
        self.answers: list[tuple[int, Any]] = []
        # A refresh token is taken once, and a second use of one revokes all of them.
        self.is_strict = False
        self.is_revoked = False
        self.is_forgetful = False
        self.asked = 0
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                vendor.forms.append(dict(parse_qsl(form)))
                if vendor.is_strict and not vendor.takes(vendor.forms[-1]["refresh_token"]):
                    self.answer(400, {"error": "invalid_grant"})
                    return
                if vendor.answers:
                    self.answer(*vendor.answers.pop(0))
                    return
                token = {"access_token": vendor.token, "refresh_token": f"r{len(vendor.forms)}"}
                lifetime = {} if vendor.lifetime is None else {"expires_in": vendor.lifetime}
                self.answer(200, {**token, **lifetime, "token_type": "Bearer"})

            def do_GET(self) -> None:
                vendor.asked += 1
                if vendor.is_forgetful and vendor.asked == 1:
                    self.answer(401, {"error": "expired"})
                    return
                is_right = self.headers.get("Authorization") == f"Bearer {vendor.token}"
                self.answer(200 if is_right else 401, {"ok": is_right})

            def answer(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def token(self) -> str:
        return f"t{len(self.forms)}"

    def takes(self, refresh_token: str) -> bool:
        before = len(self.forms) - 1
        self.is_revoked |= refresh_token != (f"r{before}" if before else REFRESH)
        return not self.is_revoked

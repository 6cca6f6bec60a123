"""Tokens: asked for once, renewed when they end or are refused, and never told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from authlib.jose import jwt  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from marketing_platform.errors import SourceError
from marketing_platform.sources.oauth import OAuth2, ServiceAccount

SECRET, REFRESH = "client-secret-0815", "refresh-token-4711"


class Vendor:
    """Gives tokens at /token, and answers everything else to whoever bears the newest one."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.lifetime: int | None = 3600
        self.answers: list[tuple[int, Any]] = []
        self.is_forgetful = False
        self.asked = 0
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                vendor.forms.append(dict(parse_qsl(form)))
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


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    threading.Thread(target=vendor.server.serve_forever, daemon=True).start()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()


def client(vendor: Vendor, refresh_token: str | None = REFRESH) -> httpx.Client:
    auth = OAuth2(f"{vendor.url}/token", "client", SECRET, refresh_token, scope="read")
    return httpx.Client(base_url=vendor.url, auth=auth)


def test_a_token_is_asked_for_once_also_by_many_at_a_time(vendor: Vendor) -> None:
    with client(vendor) as http:
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(http.get("/things").status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [200] * 8
    assert [form["grant_type"] for form in vendor.forms] == ["refresh_token"]
    assert vendor.forms[0] == {
        "grant_type": "refresh_token", "client_id": "client", "client_secret": SECRET,
        "refresh_token": REFRESH, "scope": "read",
    }  # fmt: skip


def test_a_token_that_is_over_is_renewed_with_the_newest_refresh_token(vendor: Vendor) -> None:
    vendor.lifetime = -1
    with client(vendor) as http:
        assert [http.get("/things").status_code for _ in range(3)] == [200] * 3
    assert [form["refresh_token"] for form in vendor.forms] == [REFRESH, "r1", "r2"]


def test_a_token_that_the_vendor_refuses_is_renewed_once_and_the_request_repeated(
    vendor: Vendor,
) -> None:
    vendor.is_forgetful = True
    with client(vendor) as http:
        assert http.get("/things").status_code == 200
    assert len(vendor.forms) == 2
    assert vendor.asked == 2


def test_without_a_refresh_token_the_client_asks_in_its_own_name(vendor: Vendor) -> None:
    with client(vendor, refresh_token=None) as http:
        assert http.get("/things").status_code == 200
    assert vendor.forms[0]["grant_type"] == "client_credentials"
    assert "refresh_token" not in vendor.forms[0]


def test_a_refusal_is_told_in_the_vendors_words_without_the_secrets(vendor: Vendor) -> None:
    vendor.answers = [(400, {"error": "invalid_grant", "seen": [REFRESH, SECRET]})]
    with client(vendor) as http, pytest.raises(SourceError) as caught:
        http.get("/things")
    told = str(caught.value)
    assert "no access token: the vendor answers 400" in told
    assert "invalid_grant" in told
    assert "Check the client and its refresh token or key" in told
    assert REFRESH not in told
    assert SECRET not in told


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_vendor_in_trouble_is_a_broken_connection_that_is_tried_again(
    vendor: Vendor, status: int
) -> None:
    vendor.answers = [(status, {})]
    with client(vendor) as http:
        with pytest.raises(httpx.RemoteProtocolError, match=f"the vendor answers {status}"):
            http.get("/things")
        assert http.get("/things").status_code == 200


def test_a_service_account_signs_who_it_is_what_for_and_until_when(vendor: Vendor) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    account = {
        "client_email": "reader@project.example",
        "private_key": pem,
        "private_key_id": "k1",
        "token_uri": f"{vendor.url}/token",
    }
    auth = ServiceAccount(json.dumps(account), "https://scope.example/read")
    with httpx.Client(base_url=vendor.url, auth=auth) as http:
        assert http.get("/things").status_code == 200
    form = vendor.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(form["assertion"], public)
    assert claims["iss"] == "reader@project.example"
    assert claims["aud"] == f"{vendor.url}/token"
    assert claims["scope"] == "https://scope.example/read"
    assert 0 < claims["exp"] - claims["iat"] <= 3600


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("not json", "the service account's key is no JSON"),
        ('{"client_email": "a@b.example"}', "has no 'private_key'"),
    ],
)
def test_a_key_that_is_no_key_is_told_with_what_to_do(content: str, found: str) -> None:
    with pytest.raises(SourceError, match=found) as caught:
        ServiceAccount(content, "scope")
    assert "Give the JSON file that Google gave" in str(caught.value)

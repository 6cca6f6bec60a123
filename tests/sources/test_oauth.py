"""Tokens: asked for once, renewed when they end or are refused, and never told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from oauth_vendor import REFRESH, SECRET, Vendor

from marketing_platform.destinations.base import Batch, Row
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.destinations.registry import make_destination
from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.client import Request, open_client
from marketing_platform.sources.oauth import OAuth2, ServiceAccount
from marketing_platform.tls import trusted


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    threading.Thread(target=vendor.server.serve_forever, args=(0.05,), daemon=True).start()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()


def client(vendor: Vendor, refresh_token: str | None = REFRESH) -> httpx.Client:
    auth = OAuth2(f"{vendor.url}/token", "client", SECRET, refresh_token, scope="read")
    return httpx.Client(base_url=vendor.url, auth=auth, verify=trusted())


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


def kept_client(vendor: Vendor, folder: Path, refresh_token: str = REFRESH) -> httpx.Client:
    auth = OAuth2(f"{vendor.url}/token", "client", SECRET, refresh_token)
    auth.keep_in(folder)
    return httpx.Client(base_url=vendor.url, auth=auth, verify=trusted())


def test_a_refresh_token_that_may_be_used_once_outlives_the_process(
    vendor: Vendor, tmp_path: Path
) -> None:
    vendor.is_strict, vendor.lifetime = True, -1
    for _ in range(3):
        with kept_client(vendor, tmp_path) as http:
            assert http.get("/things").status_code == 200
    assert [form["refresh_token"] for form in vendor.forms] == [REFRESH, "r1", "r2"]


def test_processes_share_a_token_while_it_lives(vendor: Vendor, tmp_path: Path) -> None:
    vendor.is_strict = True
    for _ in range(3):
        with kept_client(vendor, tmp_path) as http:
            assert http.get("/things").status_code == 200
    assert len(vendor.forms) == 1


def test_a_token_without_an_end_is_renewed_each_time_it_is_refused(
    vendor: Vendor, tmp_path: Path
) -> None:
    # As Salesforce gives them; from the second on without another refresh token.
    vendor.lifetime = None
    with kept_client(vendor, tmp_path) as http:
        assert http.get("/things").status_code == 200
        for _ in range(3):
            vendor.forms.append({})
            vendor.answers = [(200, {"access_token": f"t{len(vendor.forms) + 1}"})]
            assert http.get("/things").status_code == 200
    with kept_client(vendor, tmp_path) as http:
        assert http.get("/things").status_code == 200
    assert [form["refresh_token"] for form in vendor.forms if form] == [REFRESH, "r1", "r1", "r1"]


def test_many_at_a_time_never_use_a_refresh_token_twice(vendor: Vendor, tmp_path: Path) -> None:
    vendor.is_strict, vendor.lifetime = True, -1
    found: list[int] = []

    def ask() -> None:
        # A client of its own each, as another process has.
        with kept_client(vendor, tmp_path) as http:
            found.extend(http.get("/things").status_code for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not vendor.is_revoked
    assert len(found) == 18


def test_a_source_and_a_destination_of_one_app_take_turns(
    vendor: Vendor, make_settings: Callable[..., Settings]
) -> None:
    vendor.is_strict, vendor.lifetime = True, -1
    app = {"client_id": "client", "client_secret": SECRET, "refresh_token": REFRESH}
    settings = make_settings(
        sources={"salesforce": {"instance_url": vendor.url, **app}},
        destinations={"crm": {"type": "salesforce", "base_url": vendor.url, **app}},
        activations=[{"segment": "vip", "destination": "crm", "audience": "Is_Vip__c"}],
    )
    with open_client(active_sources(settings)[0]) as read:
        assert read.send(Request("/things")).status == 200
    written = make_destination("crm", settings)
    assert isinstance(written, HttpDestination)
    written.transport = httpx.MockTransport(lambda request: httpx.Response(200, json=[]))
    [rule] = written.rules

    async def write() -> None:
        await written.send(Batch("b1", "crm", rule, (Row("k1", "add", "c1", {}),)))
        await written.close()

    asyncio.run(write())
    with open_client(active_sources(settings)[0]) as read:
        assert read.send(Request("/things")).status == 200
    assert [form["refresh_token"] for form in vendor.forms] == [REFRESH, "r1", "r2"]


def test_a_new_refresh_token_in_the_settings_is_a_new_beginning(
    vendor: Vendor, tmp_path: Path
) -> None:
    for refresh_token in (REFRESH, "authorised-anew"):
        with kept_client(vendor, tmp_path, refresh_token) as http:
            assert http.get("/things").status_code == 200
    assert [form["refresh_token"] for form in vendor.forms] == [REFRESH, "authorised-anew"]


def test_what_is_kept_is_its_owner_s_alone_and_nothing_where_nothing_was_replaced(
    vendor: Vendor, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "tokens"
    vendor.answers = [(200, {"access_token": "t1", "expires_in": 3600})]
    with kept_client(vendor, folder) as http:
        assert http.get("/things").status_code == 200
    assert not list(folder.glob("*.json"))
    with kept_client(vendor, folder) as http:
        assert http.get("/things").status_code == 200
    [kept] = folder.glob("*.json")
    assert json.loads(kept.read_bytes())["refresh_token"] == "r2"
    assert SECRET.encode() not in kept.read_bytes()
    assert REFRESH not in kept.name
    assert (kept.stat().st_mode | folder.stat().st_mode) & 0o077 == 0


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


def test_a_refusal_does_not_tell_the_token_that_took_the_settings_one_s_place(
    vendor: Vendor,
) -> None:
    vendor.lifetime = -1
    auth = OAuth2(f"{vendor.url}/token", "client", SECRET, REFRESH)
    first = auth.token()
    vendor.answers = [(400, {"error": "invalid_grant", "of": f"<r1> and <{first}>"})]
    with pytest.raises(SourceError, match=r"of.*<\*\*\*> and <\*\*\*>"):
        auth.token()


@pytest.mark.parametrize(
    ("status", "content", "found"),
    [
        (429, {}, "the vendor answers 429"),
        (500, {}, "the vendor answers 500"),
        (503, {}, "the vendor answers 503"),
        (200, {"errors": [{"message": "Throttled"}]}, "of something else"),
        (200, ["welcome"], "of something else"),
    ],
)
def test_a_vendor_in_trouble_is_a_broken_connection_that_is_tried_again(
    vendor: Vendor, status: int, content: Any, found: str
) -> None:
    vendor.answers = [(status, content)]
    with client(vendor) as http:
        with pytest.raises(httpx.RemoteProtocolError, match=found):
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
    with httpx.Client(base_url=vendor.url, auth=auth, verify=trusted()) as http:
        assert http.get("/things").status_code == 200
    form = vendor.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(form["assertion"], RSAKey.import_key(public)).claims
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

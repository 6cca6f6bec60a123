"""OAuth 2.0: tokens are fetched when needed, kept in memory, and shared by threads.

A refresh token that the vendor puts in the place of the settings' one is shared by processes too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import httpx
from authlib.oauth2.rfc6749 import OAuth2Token  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import prepare_token_request  # type: ignore[import-untyped]
from pydantic import SecretStr

from marketing_platform.errors import SourceError
from marketing_platform.sources.json_text import read_json
from marketing_platform.sources.kept_token import KeptToken
from marketing_platform.sources.secrets import mask
from marketing_platform.tls import trusted

_PASSING = frozenset({408, 425, 429})
_LEEWAY_SECONDS = 60
_LONGEST_MESSAGE = 300
_TIMEOUT_SECONDS = 30
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Grant(Protocol):
    """What a token is asked for with."""

    def asking(self, refresh_token: str | None) -> Mapping[str, str | None]:
        """The form of the request; `refresh_token` is the newest that the vendor gave."""

    def secrets(self) -> frozenset[str]:
        """The secrets in it."""

    def began_with(self) -> tuple[str, ...]:
        """Whose refresh token it begins with; empty where none is ever replaced."""


class TokenAuth(httpx.Auth):
    """Puts a token on each request; a 401 gets a new one, once.

    It is a bearer token unless the vendor has a `header` of its own for it.
    """

    requires_response_body = True

    def __init__(self, token_url: str, grant: Grant, header: str = "", mend: str = "") -> None:
        self._token_url = token_url
        self._grant = grant
        self._header = header
        self._mend = mend or "Check the client and its refresh token or key"
        self._newest: OAuth2Token | None = None
        self._kept: KeptToken | None = None
        self._fetching = threading.Lock()

    def keep_in(self, folder: Path) -> None:
        """Share with other processes, and later ones, what replaces the settings' refresh token."""
        if self._kept is None and (began_with := self._grant.began_with()):
            self._kept = KeptToken(folder, *began_with)

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with a token, which is asked for first where there is none."""
        used = yield from self._valid(refused=None)
        self.authorise(request, used)
        response = yield request
        if response.status_code == 401:
            response.read()
            fresh = yield from self._valid(refused=used)
            self.authorise(request, fresh)
            yield request

    def secrets(self) -> frozenset[str]:
        """What must not be told: what tokens are asked for with, and the newest of them."""
        return self._grant.secrets() | _tokens_in(self._newest)

    def authorise(self, request: httpx.Request, token: str) -> None:
        """Put the token where the vendor looks for it."""
        if self._header:
            request.headers[self._header] = token
        else:
            request.headers["Authorization"] = f"Bearer {token}"

    def token(self, refused: str | None = None) -> str:
        """A token that has not expired and is not the one refused, asked for where needed."""
        flow = self._valid(refused)
        with httpx.Client(timeout=_TIMEOUT_SECONDS, verify=trusted()) as http:
            try:
                request = next(flow)
                while True:
                    request = flow.send(http.send(request))
            except StopIteration as done:
                return str(done.value)

    def _valid(self, refused: str | None) -> Generator[httpx.Request, httpx.Response, str]:
        """A token that has not expired and is not the one refused."""
        with self._fetching:
            token = self._newest
            if token is None or not _is_good(token, refused):
                with self._kept.turn() if self._kept else nullcontext():
                    # Another process may have asked meanwhile, and used up the refresh token.
                    token = self._shared() or token
                    if token is None or not _is_good(token, refused):
                        token = yield from self._ask(token)
                self._newest = token
            return str(token["access_token"])

    def _ask(
        self, before: OAuth2Token | None
    ) -> Generator[httpx.Request, httpx.Response, OAuth2Token]:
        """The next token, which is kept where its refresh token is not that of the settings."""
        form = self._grant.asking(before.get("refresh_token") if before else None)
        given = {name: value for name, value in form.items() if value}
        body = prepare_token_request(given.pop("grant_type"), **given)
        response = yield httpx.Request(
            "POST", self._token_url, content=body.encode(), headers=_FORM
        )
        response.read()
        token = self._read(response, before)
        # Also where the vendor gave no other one this time: the access token that was kept is over.
        if self._kept and token.get("refresh_token") not in (None, *self._grant.began_with()):
            self._kept.write(token)
        return token

    def _shared(self) -> OAuth2Token | None:
        found = self._kept.read() if self._kept else None
        return OAuth2Token.from_dict(dict(found)) if found and found.get("access_token") else None

    def _read(self, response: httpx.Response, before: OAuth2Token | None) -> OAuth2Token:
        status = response.status_code
        if status in _PASSING or status >= 500:
            raise httpx.RemoteProtocolError(f"no token: the vendor answers {status}")
        try:
            found = read_json(response.content)
        except ValueError:
            if status == 200:
                raise httpx.RemoteProtocolError("no token: the answer is broken off") from None
            found = None
        if status == 200 and isinstance(found, dict) and found.get("access_token"):
            kept = {"refresh_token": before.get("refresh_token")} if before else {}
            return OAuth2Token.from_dict({**kept, **found})
        if status == 200 and not (isinstance(found, dict) and "error" in found):
            # Whoever answers so is not who gives tokens: a page before it, or too many calls.
            raise httpx.RemoteProtocolError("no token: the answer is of something else")
        hidden = self._grant.secrets() | _tokens_in(before)
        words = " ".join(mask(response.text, hidden).split())[:_LONGEST_MESSAGE]
        raise SourceError(
            f"no access token: the vendor answers {status}: {words}",
            where=mask(self._token_url, self._grant.secrets()),
            mend=self._mend,
        )


class OAuth2(TokenAuth):
    """The refresh-token grant, or client credentials where there is no refresh token.

    `more` is what a vendor wants besides (an `audience`, say), `header` the one that it wants the
    token in, where that is not `Authorization`, `mend` what to do where it gives none.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str | SecretStr,
        client_secret: str | SecretStr | None,
        refresh_token: str | SecretStr | None = None,
        scope: str | None = None,
        more: Mapping[str, str] | None = None,
        header: str = "",
        mend: str = "",
    ) -> None:
        grant = _ClientGrant(
            _plain(client_id) or "",
            _plain(client_secret),
            _plain(refresh_token),
            scope,
            dict(more or {}),
        )
        super().__init__(token_url, grant, header, mend)


class ServiceAccount(TokenAuth):
    """A Google service account: an assertion signed with its key (RS256) is given for a token.

    `key` is the JSON that Google gives for the account, as text or read; `subject` is a user of the
    domain in whose name it asks, where it does.
    """

    def __init__(
        self,
        key: str | SecretStr | Mapping[str, Any],
        scope: str,
        token_url: str = "",
        subject: str | None = None,
    ) -> None:
        content = key if isinstance(key, Mapping) else _read_key(_plain(key) or "")
        try:
            issuer, signed_by = str(content["client_email"]), str(content["private_key"])
            address = token_url or str(content["token_uri"])
        except KeyError as missing:
            raise SourceError(
                f"the service account's key has no {missing}",
                mend="Give the JSON file that Google gave for the account",
            ) from None
        key_id = content.get("private_key_id")
        super().__init__(
            address, _AssertionGrant(address, issuer, signed_by, key_id, scope, subject)
        )


class _ClientGrant:
    def __init__(
        self,
        client_id: str,
        client_secret: str | None,
        refresh_token: str | None,
        scope: str | None,
        more: Mapping[str, str],
    ) -> None:
        self._form = {
            "grant_type": "refresh_token" if refresh_token else "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": scope,
            **more,
        }
        self._refresh_token = refresh_token

    def asking(self, refresh_token: str | None) -> Mapping[str, str | None]:
        if not self._refresh_token:
            return self._form
        # A vendor may give a new refresh token with each access token; the newest one counts.
        return {**self._form, "refresh_token": refresh_token or self._refresh_token}

    def secrets(self) -> frozenset[str]:
        given = (self._form["client_secret"], self._refresh_token)
        return frozenset(secret for secret in given if secret)

    def began_with(self) -> tuple[str, ...]:
        first = self._refresh_token
        return (str(self._form["client_id"]), first) if first else ()


class _AssertionGrant:
    def __init__(
        self,
        token_url: str,
        issuer: str,
        private_key: str,
        key_id: str | None,
        scope: str,
        subject: str | None,
    ) -> None:
        self._audience = token_url
        self._issuer = issuer
        self._private_key = private_key
        self._header = {"alg": "RS256", "typ": "JWT", **({"kid": key_id} if key_id else {})}
        self._scope = scope
        self._subject = subject

    def asking(self, refresh_token: str | None) -> Mapping[str, str | None]:
        # Slow to load, and needed by service accounts alone.
        from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
        from authlib.oauth2.rfc7523 import JWTBearerGrant  # type: ignore[import-untyped]
        from joserfc.errors import JoseError
        from joserfc.jwk import RSAKey

        try:
            assertion = JWTBearerGrant.sign(
                RSAKey.import_key(self._private_key),
                issuer=self._issuer,
                audience=self._audience,
                subject=self._subject,
                claims={"scope": self._scope},
                header=dict(self._header),
            )
        except (ValueError, AuthlibBaseError, JoseError):
            raise SourceError(
                "the service account's private key cannot be read", mend="Give its JSON whole"
            ) from None
        return {"grant_type": JWTBearerGrant.GRANT_TYPE, "assertion": assertion}

    def secrets(self) -> frozenset[str]:
        return frozenset({self._private_key})

    def began_with(self) -> tuple[str, ...]:
        return ()


def _tokens_in(token: OAuth2Token | None) -> frozenset[str]:
    found = (token.get("access_token"), token.get("refresh_token")) if token else ()
    return frozenset(str(one) for one in found if one)


def _is_good(token: OAuth2Token, refused: str | None) -> bool:
    return token["access_token"] != refused and not _is_over(token)


def _is_over(token: OAuth2Token) -> bool:
    ends = token.get("expires_at")
    # A token that lives shorter than the leeway would never count as valid.
    leeway = min(_LEEWAY_SECONDS, int(token.get("expires_in") or _LEEWAY_SECONDS) // 2)
    return bool(ends) and time.time() >= float(ends) - leeway


def _plain(value: str | SecretStr | None) -> str | None:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _read_key(text: str) -> Mapping[str, Any]:
    try:
        content = read_json(text.encode())
    except ValueError:
        content = None
    if not isinstance(content, Mapping):
        raise SourceError(
            "the service account's key is no JSON",
            mend="Give the JSON file that Google gave for the account",
        )
    return content

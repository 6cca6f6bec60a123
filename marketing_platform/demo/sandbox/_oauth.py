"""The token endpoint that vendors with OAuth 2.0 have in common."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.server import Shop

TOKEN_PATH = "/token"  # noqa: S105
CREDENTIALS = ("client_id", "client_secret", "refresh_token")


def token_route(shop: Shop, path: str = TOKEN_PATH) -> Route:
    """Gives the access token for the refresh token and the client's secret."""

    async def give(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        wanted = {name: shop.credentials[name] for name in CREDENTIALS}
        if {name: form.get(name) for name in wanted} != wanted:
            refusal = {"error": "invalid_grant", "error_description": "Bad Request"}
            return JSONResponse(refusal, 400)
        token = {"access_token": _access_token(shop), "token_type": "Bearer"}
        return JSONResponse({**token, "expires_in": 3599})

    return Route(path, give, methods=["POST"])


def has_token(shop: Shop, request: Request) -> bool:
    """Whether a request bears the token, or asks for one."""
    bearer = f"Bearer {_access_token(shop)}"
    return request.url.path.endswith(TOKEN_PATH) or request.headers.get("authorization") == bearer


def _access_token(shop: Shop) -> str:
    """The token that the refresh token gives; no setting of a source knows it."""
    return hashlib.sha256(shop.credentials["refresh_token"].encode()).hexdigest()

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
# Those of an app that signs in as itself.
CLIENT = CREDENTIALS[:2]


def token_route(
    shop: Shop,
    path: str = TOKEN_PATH,
    credentials: tuple[str, ...] = CREDENTIALS,
    lifetime_seconds: int = 3599,
) -> Route:
    """Gives the access token for the client's secret and, where there is one, the refresh token."""
    grant = "refresh_token" if "refresh_token" in credentials else "client_credentials"

    async def give(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        wanted = {"grant_type": grant, **{name: shop.credentials[name] for name in credentials}}
        if {name: form.get(name) for name in wanted} != wanted:
            refusal = {"error": "invalid_grant", "error_description": "Bad Request"}
            return JSONResponse(refusal, 400)
        token = {"access_token": access_token(shop), "token_type": "Bearer"}
        return JSONResponse({**token, "expires_in": lifetime_seconds})

    return Route(path, give, methods=["POST"])


def has_token(shop: Shop, request: Request) -> bool:
    """Whether a request bears the token, or asks for one."""
    bearer = f"Bearer {access_token(shop)}"
    return request.url.path.endswith(TOKEN_PATH) or request.headers.get("authorization") == bearer


def access_token(shop: Shop) -> str:
    """The token that the credentials give; no setting of a source knows it."""
    secret = shop.credentials.get("refresh_token") or shop.credentials["client_secret"]
    return hashlib.sha256(secret.encode()).hexdigest()

"""How a shop of Shopify lets us in: an app's own credentials, or the token of an older app.

An app of the Dev Dashboard gets tokens of a day for its client id and secret, where it belongs to
the shop's organisation and is installed in it
(https://shopify.dev/docs/apps/build/dev-dashboard/get-api-access-tokens). Apps that were made in
the shop's admin until 2026 have one token that stays.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from marketing_platform.sources.oauth import OAuth2, TokenAuth

HEADER = "X-Shopify-Access-Token"
TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - an address


class ShopifyAccess(BaseModel):
    """`shop` is its name before `.myshopify.com`; `client_id` and `client_secret` are an app's.

    `access_token` takes their place for an app that has one that stays.
    """

    shop: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*(\.myshopify\.com)?$")
    client_id: str | None = None
    client_secret: SecretStr | None = None
    access_token: SecretStr | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        of_app = (self.client_id, self.client_secret)
        if self.access_token is None and None in of_app:
            raise ValueError(
                "write client_id and client_secret of an app of the Dev Dashboard, or the"
                " access_token of an app made in the shop's admin"
            )
        if self.access_token is not None and of_app != (None, None):
            raise ValueError("write client_id and client_secret, or access_token, not both")
        return self

    @property
    def shop_url(self) -> str:
        """The shop's address."""
        return f"https://{self.shop.removesuffix('.myshopify.com')}.myshopify.com"

    def token_auth(self, url: str) -> TokenAuth | None:
        """Where the app's tokens come from, at this address; None where it has one that stays."""
        if self.access_token is not None:
            return None
        return OAuth2(
            url + TOKEN_PATH,
            self.client_id or "",
            self.client_secret,
            header=HEADER,
            mend="Check client_id and client_secret. The app must be installed in this shop, and"
            " both belong to the same organisation",
        )

    def headers(self) -> dict[str, str]:
        """The token that stays, where there is one."""
        return {HEADER: self.access_token.get_secret_value()} if self.access_token else {}

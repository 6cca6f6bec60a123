"""What Google's APIs share: a service account's key, or a client with a person's refresh token."""

from __future__ import annotations

from typing import Self

from pydantic import SecretStr, model_validator

from marketing_platform.destinations.http import HttpSettings
from marketing_platform.sources.oauth import OAuth2, ServiceAccount, TokenAuth


class GoogleSettings(HttpSettings):
    """How Google is asked for tokens: by one of the two ways."""

    service_account_key: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.service_account_key is None and not (self.client_id and self.refresh_token):
            raise ValueError(
                "write service_account_key, or client_id, client_secret and refresh_token"
            )
        return self

    def auth(self, scope: str) -> TokenAuth:
        """Where tokens of a scope come from."""
        if self.service_account_key is not None:
            return ServiceAccount(self.service_account_key, scope)
        return OAuth2(self.token_url, self.client_id or "", self.client_secret, self.refresh_token)

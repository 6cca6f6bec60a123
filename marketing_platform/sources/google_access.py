"""How Google's APIs let us in: a service account, or a person's consent to a client."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, SecretStr, model_validator

from marketing_platform.errors import SourceError
from marketing_platform.sources.oauth import OAuth2, ServiceAccount, TokenAuth

_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


class GoogleAccess(BaseModel):
    """`service_account_key` is the text of the JSON that Google gives for a service account.

    `client_id`, `client_secret` and `refresh_token` take its place where a person has agreed.
    """

    service_account_key: SecretStr | None = None
    client_id: str = ""
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    token_url: str = ""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        of_person = (self.client_id, self.client_secret, self.refresh_token)
        is_account = self.service_account_key is not None
        if is_account == all(of_person) or (is_account and any(of_person)):
            raise ValueError(
                "give service_account_key, or client_id, client_secret and refresh_token"
            )
        if self.service_account_key is not None:
            try:
                self.auth(scope="")
            except SourceError as error:
                # Here it is known whose key it is.
                told = f"{error.what}; it is the JSON file that Google gives for an account"
                raise ValueError(f"service_account_key: {told}") from None
        return self

    def auth(self, scope: str) -> TokenAuth:
        """Where tokens of a scope come from."""
        if self.service_account_key is not None:
            return ServiceAccount(self.service_account_key, scope, self.token_url)
        # A refresh token has the scope that the person agreed to.
        return OAuth2(
            self.token_url or _TOKEN_URL, self.client_id, self.client_secret, self.refresh_token
        )

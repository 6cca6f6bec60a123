"""How Meta lets us in: a token, and where its app asks for it the proof of the app's secret.

https://developers.facebook.com/docs/graph-api/guides/secure-requests.
"""

from __future__ import annotations

import hashlib
import hmac

from pydantic import BaseModel, SecretStr


class MetaAccess(BaseModel):
    """With the `app_secret`, requests are signed (`appsecret_proof`), as the app may require."""

    access_token: SecretStr
    app_secret: SecretStr | None = None

    def headers(self) -> dict[str, str]:
        """The token."""
        return {"Authorization": f"Bearer {self.access_token.get_secret_value()}"}

    def params(self) -> dict[str, str]:
        """The proof, where the secret is known."""
        if self.app_secret is None:
            return {}
        key, token = (
            one.get_secret_value().encode() for one in (self.app_secret, self.access_token)
        )
        return {"appsecret_proof": hmac.new(key, token, hashlib.sha256).hexdigest()}

"""How a site of WooCommerce lets us in: a key and its secret.

They belong into a header. Some hosts' web servers drop it, and WooCommerce takes both in the query
then (https://woocommerce.github.io/woocommerce-rest-api-docs/#authentication-over-https).
"""

from __future__ import annotations

import base64
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, field_validator


class WooCommerceAccess(BaseModel):
    """`keys_in_query` is for a site whose server drops the header; the server logs them then."""

    consumer_key: SecretStr
    consumer_secret: SecretStr
    keys_in_query: bool = False

    @field_validator("base_url", check_fields=False)
    @classmethod
    def _safe_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme == "http" and not _is_near(parts.hostname or ""):
            raise ValueError("WooCommerce takes keys over https alone")
        return url

    def headers(self) -> dict[str, str]:
        """The header of HTTP Basic."""
        if self.keys_in_query:
            return {}
        pair = f"{self.consumer_key.get_secret_value()}:{self.consumer_secret.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def params(self) -> dict[str, str]:
        """What stands in the query of each request."""
        if not self.keys_in_query:
            return {}
        return {
            "consumer_key": self.consumer_key.get_secret_value(),
            "consumer_secret": self.consumer_secret.get_secret_value(),
        }


def _is_near(host: str) -> bool:
    """Whether nothing of it leaves the machine or the shop's own network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host

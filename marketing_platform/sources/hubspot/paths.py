"""Where HubSpot's API lies: each version of it has a date, and stands behind what it is about.

https://developers.hubspot.com/docs/api-reference/legacy/migration-guide. `v3` is what stood there
before, which HubSpot supports until September 2027 (its associations, v4, until March 2027).
"""

from __future__ import annotations

VERSION = "2026-03"
VERSION_PATTERN = r"^(v3|20\d{2}-\d{2})$"


def crm_path(version: str, resource: str, rest: str = "") -> str:
    """The path of a resource of the CRM: objects, associations, owners or lists."""
    if version != "v3":
        return f"/crm/{resource}/{version}{rest}"
    return f"/crm/{'v4' if resource == 'associations' else version}/{resource}{rest}"

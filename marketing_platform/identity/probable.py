"""`identity.probable_links`: contacts that share no identifier and may yet be one person."""

from __future__ import annotations

import polars as pl

from marketing_platform.contracts import contract_of
from marketing_platform.identity.linkage import ROLES, link
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "identity.probable_links"


def build_probable_links(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the pairs that are likely enough, or none where linkage is switched off."""
    rules = settings.platform.identity.linkage
    if not rules.is_enabled:
        return warehouse.replace(_NAME, contract_of(_NAME).empty())
    known = contract_of("core.contacts").columns
    columns = ", ".join(f"cast({role} as varchar) as {role}" for role in ROLES if role in known)
    contacts = warehouse.query(
        f"select contact_id, {columns} from core.contacts"  # noqa: S608 - names of our own
        " where first_name is not null or last_name is not null order by contact_id"
    )
    names = contacts["contact_id"]
    likely = link(contacts.drop("contact_id")).pairs.filter(
        pl.col("probability") >= rules.review_above
    )
    pairs = pl.DataFrame(
        {
            "contact_id": names.gather(likely["left"]),
            "other_contact_id": names.gather(likely["right"]),
            "probability": likely["probability"],
        }
    )
    return warehouse.replace(_NAME, pairs)


TABLES = (
    PythonTable(
        TableName("identity", "probable_links"),
        "One row is a pair of contacts that may be one person, by name, address and birth date.",
        ("core.contacts",),
        build_probable_links,
    ),
)

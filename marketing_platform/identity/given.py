"""What identity is given rather than finds: limits and rules of the settings, and known fakes."""

from __future__ import annotations

import polars as pl
from disposable_email_domains import blocklist

from marketing_platform.names import GOLDEN_ATTRIBUTES, TableName
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.staging import FILES
from marketing_platform.warehouse import Built, PythonTable, Warehouse

# Behind every source that is named, in no order.
_NOT_NAMED = 1_000


def build_disposable_domains(warehouse: Warehouse, settings: Settings) -> Built:
    """Write `identity.disposable_domains`."""
    frame = pl.DataFrame({"domain": sorted(blocklist)}, schema={"domain": pl.String})
    return warehouse.replace("identity.disposable_domains", frame)


def build_limits(warehouse: Warehouse, settings: Settings) -> Built:
    """Write `identity.limits`."""
    limits = sorted(settings.platform.identity.shared_by.items())
    frame = pl.DataFrame(limits, schema={"kind": pl.String, "shared_by": pl.Int64}, orient="row")
    return warehouse.replace("identity.limits", frame)


def build_attribute_rules(warehouse: Warehouse, settings: Settings) -> Built:
    """Write `identity.attribute_rules`."""
    given = settings.platform.identity
    sources = [FILES, *(source.name for source in active_sources(settings))]
    ranks = {name: place for place, name in enumerate(given.trusted_sources)}
    rows = [
        (
            attribute,
            source,
            given.rules.get(attribute, "most_recent"),
            ranks.get(source, _NOT_NAMED),
        )
        for attribute in GOLDEN_ATTRIBUTES
        for source in sorted(set(sources))
    ]
    schema = {"attribute": pl.String, "source": pl.String, "rule": pl.String, "rank": pl.Int64}
    return warehouse.replace(
        "identity.attribute_rules", pl.DataFrame(rows, schema=schema, orient="row")
    )


TABLES = (
    PythonTable(
        TableName("identity", "disposable_domains"),
        "One row is a domain whose mailboxes are thrown away after use.",
        (),
        build_disposable_domains,
    ),
    PythonTable(
        TableName("identity", "limits"),
        "One row is a kind of identifier, and how many contacts may share one.",
        (),
        build_limits,
    ),
    PythonTable(
        TableName("identity", "attribute_rules"),
        "One row is an attribute and a source: by which rule the attribute of a customer is chosen,"
        " and how far the source is trusted.",
        (),
        build_attribute_rules,
    ),
)

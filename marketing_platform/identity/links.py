"""`identity.contact_customers`: contacts that share an identifier are one customer."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse


def assign_customers(identifiers: pl.DataFrame) -> pl.DataFrame:
    """Tie contacts together that share a (kind, value), through any number of hops.

    `identifiers` has a row per contact_id, kind and value; the answer a row per contact with its
    customer_id: the smallest contact_id of the customer, so it does not depend on the order of the
    rows and stays when nothing changed.
    """
    contacts = identifiers.select("contact_id").unique().sort("contact_id")
    values = identifiers.select("kind", "value").unique()
    edges = identifiers.join(contacts.with_row_index("contact"), on="contact_id").join(
        values.with_row_index("identifier"), on=["kind", "value"]
    )
    nodes = contacts.height + values.height
    rows = edges["contact"].to_numpy().astype(np.int64)
    columns = edges["identifier"].to_numpy().astype(np.int64) + contacts.height
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return contacts.with_columns(
        pl.Series("component", component[: contacts.height], dtype=pl.Int64)
    ).select("contact_id", pl.col("contact_id").min().over("component").alias("customer_id"))


def build_contact_customers(warehouse: Warehouse, settings: Settings) -> Built:
    """Write `identity.contact_customers` from the identifiers.

    The id is a digest: the key of a guest's contact is an e-mail, and ids stand in ledgers and
    logs.
    """
    return warehouse.replace(
        "identity.contact_customers",
        assign_customers(warehouse.read("identity.identifiers")),
        select="select contact_id, 'cus_' || substr(md5(customer_id), 1, 16) as customer_id"
        " from incoming",
    )


TABLES = (
    PythonTable(
        TableName("identity", "contact_customers"),
        "One row is a contact and the customer it belongs to. Contacts that share an e-mail, a"
        " phone or a source's key are one customer, through any number of hops.",
        ("identity.identifiers",),
        build_contact_customers,
    ),
)

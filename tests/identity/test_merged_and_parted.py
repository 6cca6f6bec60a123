"""What people said of who is who, through whole builds, and who may be written to then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.suppression import suppress
from marketing_platform.identity.edges import add_edge, take_back
from marketing_platform.identity.inherited import inherit_suppressions
from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.state import (
    messages,
    open_state,
    plans,
    reading,
    suppressions,
    utc_now,
    writing,
)
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
# Bob has two accounts, so that his id stays where he and Ann become one.
ORDERS = """order id,customer id,email,date,amount
1,ann,ann@example.com,2024-01-01,5
2,bob,bob@example.com,2024-01-02,5
3,bob2,bob@example.com,2024-01-03,5
"""


def test_who_unsubscribed_stays_so_through_a_merge_and_the_other_only_as_long_as_it_holds(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS, encoding="utf-8")
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    warehouse, state = (
        Warehouse(settings.warehouse_path),
        open_state(settings.state_url.get_secret_value()),
    )

    def build() -> dict[str, str]:
        build_all(warehouse, settings, until=["identity.contact_customers"])
        return dict(warehouse.read("identity.contact_customers").iter_rows())

    def barred() -> set[str]:
        with reading(state) as connection:
            return set(connection.execute(sa.select(suppressions.c.customer_id)).scalars())

    apart = build()
    ann, bob = apart["files:ann"], apart["files:bob"]
    assert ann != bob == apart["files:bob2"]
    with writing(state) as connection:
        suppress(connection, [ann], "email", "unsubscribed", told_by="ann", now=utc_now())
    edge = add_edge(state, "together", ["files:ann", "files:bob"], "one household")
    assert set(build().values()) == {bob}
    assert barred() == {ann, bob}
    take_back(state, edge.edge_id)
    assert build() == apart
    assert barred() == {ann}


def test_who_unsubscribed_is_barred_whatever_address_the_other_one_had(
    make_settings: MakeSettings,
) -> None:
    state = open_state(make_settings().state_url.get_secret_value())
    with writing(state) as connection:
        for customer, address in (("ann", None), ("bob", "bob@example.com")):
            suppress(
                connection,
                [customer],
                "email",
                "hard_bounce" if address else "unsubscribed",
                told_by="mail",
                now=utc_now(),
                address=address,
            )
    merged = {"customer_id": ["ann"], "other_customer_id": ["bob"], "kind": ["merged"]}
    inherit_suppressions(state, pl.DataFrame(merged))
    with reading(state) as connection:
        found = connection.execute(sa.select(suppressions.c.reason, suppressions.c.address)).all()
    assert [tuple(row) for row in found] == [("unsubscribed", None)] * 2


KEPT = ("3,bob@x.org,", "4,bob@x.org,+4930901821")


def test_who_is_given_a_new_key_is_who_they_were_and_barred_as_before(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "contacts.csv"
    settings = make_settings(sources={"files": {"contacts": {"path": path}}})
    warehouse = Warehouse(settings.warehouse_path)
    state = open_state(settings.state_url.get_secret_value())

    def build(*rows: str) -> dict[str, str]:
        lines = ["id,email,phone,updated_at", *(f"{row},2024-01-01" for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        build_all(warehouse, settings, until=["identity.customers"])
        return dict(warehouse.read("identity.contact_customers").iter_rows())

    def barred() -> set[str]:
        with reading(state) as connection:
            return set(connection.execute(sa.select(suppressions.c.customer_id)).scalars())

    before = build("1,ann@x.org,", "2,,+4930901820", *KEPT)
    ann, cleo, bob = before["files:1"], before["files:2"], before["files:3"]
    with writing(state) as connection:
        suppress(connection, [ann], "email", "unsubscribed", told_by="ann", now=utc_now())
    after = build("n1,ann@x.org,", "n2,,+49 30 901820", "n3,new@x.org,", *KEPT)
    assert (after["files:n1"], after["files:n2"]) == (ann, cleo)
    assert after["files:n3"] not in before.values()
    # By the newest key Ann is one with Bob.
    after = build("m1,ann@x.org,+4930901821", "n2,,+49 30 901820", *KEPT)
    assert after["files:m1"] == after["files:3"] == bob
    assert barred() == {ann, bob}


def remember(state: sa.Engine, customer: str) -> None:
    """A message to them in the ledger."""
    moment, rule = utc_now(), {"destination": "mail", "audience": "hello"}
    counts = dict.fromkeys(
        (column.name for column in plans.c if column.name.endswith("_count")), 0
    ) | {"status": "planned", "created_at": moment, "as_of": moment}
    message = {
        "message_key": "k", "customer_id": customer, "sequence": 0, "operation": "add",
        "content_version": "v", "payload": "{}", "state": "planned", "created_at": moment,
        "reaches_person": True,
    }  # fmt: skip
    with writing(state) as connection:
        connection.execute(sa.insert(plans), {"plan_id": 1, **rule, **counts})
        connection.execute(sa.insert(messages), {"plan_id": 1, **rule, **message})


def test_a_warehouse_that_is_built_anew_calls_people_as_before(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "contacts.csv"
    settings = make_settings(sources={"files": {"contacts": {"path": path}}})
    state = open_state(settings.state_url.get_secret_value())

    def build(*rows: str) -> dict[str, str]:
        lines = ["id,email,updated_at", *(f"{row},2024-01-01" for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        warehouse = Warehouse(settings.warehouse_path)
        build_all(warehouse, settings, until=["identity.customers"])
        return dict(warehouse.read("identity.contact_customers").iter_rows())

    def barred() -> set[str]:
        with reading(state) as connection:
            return set(connection.execute(sa.select(suppressions.c.customer_id)).scalars())

    ann, bob, cleo = (
        build("m,ann@x.org", "n,bob@x.org", "o,cleo@x.org")[f"files:{n}"] for n in "mno"
    )
    with writing(state) as connection:
        suppress(connection, [ann, bob], "email", "unsubscribed", told_by="test", now=utc_now())
    # A later contact whose key comes first.
    assert build("a,ann@x.org", "m,ann@x.org", "n,bob@x.org", "o,cleo@x.org")["files:a"] == ann
    settings.warehouse_path.unlink()
    anew = build("a,ann@x.org", "m,ann@x.org", "n,bob@x.org", "o,cleo@x.org")
    assert [anew[f"files:{n}"] for n in "amno"] == [ann, ann, bob, cleo]
    # Bob is gone for a while, and one with Cleo when he comes back.
    build("m,ann@x.org", "o,cleo@x.org")
    back = build("m,ann@x.org", "n,bob@x.org", "o,bob@x.org")
    assert back["files:n"] == back["files:o"] == cleo
    assert barred() == {ann, bob, cleo}
    # Of who was only told something, too: an empty list of one day makes nobody a stranger.
    dora = build("m,dora@x.org")["files:m"]
    remember(state, dora)
    build("x,other@x.org")
    assert build("a,dora@x.org", "m,dora@x.org")["files:a"] == dora


def test_who_is_barred_is_so_in_a_warehouse_that_is_built_anew_whichever_contacts_are_left(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "contacts.csv"
    settings = make_settings(sources={"files": {"contacts": {"path": path}}})
    state = open_state(settings.state_url.get_secret_value())

    def build(*rows: str) -> dict[str, str]:
        lines = ["id,email,updated_at", *(f"{row},2024-01-01" for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        warehouse = Warehouse(settings.warehouse_path)
        build_all(warehouse, settings, until=["identity.customers"])
        return dict(warehouse.read("identity.contact_customers").iter_rows())

    ann, bob = (build("a,ann@x.org", "b,bob@x.org")[f"files:{n}"] for n in "ab")
    with writing(state) as connection:
        suppress(connection, [ann], "all", "erased", told_by="command", now=utc_now())
    # The shop changes its system, which gives everybody a new key.
    moved = build("y,ann@x.org", "z,bob@x.org", "w,ann@x.org")
    assert (moved["files:y"], moved["files:w"], moved["files:z"]) == (ann, ann, bob)
    settings.warehouse_path.unlink()
    assert build("y,ann@x.org", "z,bob@x.org")["files:y"] == ann
    # All are gone for a while, and another one of hers comes back.
    build("z,bob@x.org")
    assert build("w,ann@x.org", "z,bob@x.org")["files:w"] == ann
    # What is set apart from her is somebody by themselves, in the next warehouse too.
    build("w,ann@x.org", "y,ann@x.org", "z,bob@x.org")
    add_edge(state, "apart", ["files:y"], "her mother")
    for _ in range(2):
        apart = build("w,ann@x.org", "y,ann@x.org", "z,bob@x.org")
        assert apart["files:y"] != apart["files:w"]
        settings.warehouse_path.unlink()
    with reading(state) as connection:
        barred = set(connection.execute(sa.select(suppressions.c.customer_id)).scalars())
    # What was said while they were one holds for both.
    assert {apart["files:w"], apart["files:y"]} <= barred

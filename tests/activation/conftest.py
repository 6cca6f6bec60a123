"""The ledger on both databases, and a receiver that really listens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_shop import SmallShop

from marketing_platform.demo.receiver import Receiver
from marketing_platform.state import open_state


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty state database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    url: str = request.getfixturevalue("shared_postgres_url")
    engine = open_state(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "truncate plans, batches, messages, suppressions, identity_changes"
                " restart identity cascade"
            )
        )
    engine.dispose()
    yield url


@pytest.fixture
def engine(state_url: str) -> Iterator[sa.Engine]:
    opened = open_state(state_url)
    yield opened
    opened.dispose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def shop() -> SmallShop:
    return SmallShop()


@pytest.fixture
def full(shop: SmallShop) -> SmallShop:
    """A shop of 400 members."""
    shop.fill(400)
    for table in ("identity.contact_customers", "profiles.orders"):
        shop.warehouse.ensure(table)
    with shop.warehouse.connect() as connection:
        connection.execute(
            "insert into identity.contact_customers by name"
            " select customer_id as contact_id, customer_id from profiles.customers"
        )
        connection.execute("update segments.memberships set entered_at = timestamp '2025-06-01'")
    return shop

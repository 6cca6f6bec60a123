"""A SQLite ledger is moved into PostgreSQL whole or not at all, and goes on where it was."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import conservation, dispatch, ledger_sums, plan_all
from marketing_platform.activation.owner import new_owner
from marketing_platform.activation.suppression import suppress
from marketing_platform.demo.receiver import Receiver
from marketing_platform.errors import InputError
from marketing_platform.moving import move_state
from marketing_platform.state import batches, messages, open_state, plans, reading, utc_now, writing

EVERYBODY = [f"c{number:05}" for number in range(30)]
VENDOR = ("crm", SEGMENT)


class Moving:
    """A shop whose ledger lies in a file, with a bit of everything in it."""

    def __init__(self, folder: Path, receiver: Receiver, url: str) -> None:
        self.file = folder / "state.db"
        self.shop = SmallShop()
        self.shop.fill(30)
        self.shop.know("c00001", has_email_consent=False)
        found = small_settings(folder, {"crm": webhook(receiver.url)}, max_removal_share=1.0)
        self.settings = found.model_copy(update={"state_url": SecretStr(url)})
        self.state = open_state(f"sqlite:///{self.file}")
        never_write(self.state, "c00002")
        self.activate(self.state)

    def activate(self, state: sa.Engine) -> None:
        plan_all(self.shop.warehouse, state, self.settings)
        dispatch(state, self.settings)

    def move(self) -> dict[str, int]:
        return move_state(self.settings, self.file).row_counts


@pytest.fixture
def moving(tmp_path: Path, receiver: Receiver, postgres_url: str) -> Moving:
    return Moving(tmp_path, receiver, postgres_url)


def never_write(state: sa.Engine, customer: str) -> None:
    with writing(state) as connection:
        suppress(connection, [customer], "all", "erased", told_by="a test", now=utc_now())


def everything(state: sa.Engine, table: sa.Table) -> list[tuple[object, ...]]:
    with reading(state) as connection:
        return sorted(tuple(row) for row in connection.execute(sa.select(table)))


def test_all_rows_are_there_and_the_next_activation_tells_only_what_changed(
    moving: Moving, receiver: Receiver
) -> None:
    before, told = ledger_sums(moving.state), len(receiver.received.rows)
    kept = {table: everything(moving.state, table) for table in (plans, batches, messages)}
    counts = moving.move()
    assert counts["messages"] == len(kept[messages])
    assert counts["suppressions"] == 1
    assert not moving.file.exists()
    assert moving.file.with_name("state.db.moved").exists()

    state = open_state(moving.settings.state_url.get_secret_value())
    assert ledger_sums(state) == before
    for table, rows in kept.items():
        assert everything(state, table) == rows
    moving.activate(state)
    assert len(receiver.received.rows) == told, "nobody is told what they were told before"
    moving.shop.members(EVERYBODY[3:])
    moving.activate(state)
    assert EVERYBODY[0] not in receiver.received.audiences[VENDOR]
    assert conservation(state, only_broken=True) == []
    assert max(row[0] for row in everything(state, plans)) > len(kept[plans])


def test_the_rules_of_the_ledger_hold_in_its_new_place(moving: Moving) -> None:
    moving.move()
    state = open_state(moving.settings.state_url.get_secret_value())
    with pytest.raises(sa.exc.DBAPIError, match="never deleted"), writing(state) as connection:
        connection.execute(sa.delete(messages))


def test_a_database_with_a_state_is_left_alone_and_so_is_the_file(moving: Moving) -> None:
    state = open_state(moving.settings.state_url.get_secret_value())
    never_write(state, "other")
    rows = everything(moving.state, messages)
    with pytest.raises(InputError, match="suppressions have rows already"):
        moving.move()
    assert everything(moving.state, messages) == rows
    assert everything(state, messages) == []


def test_while_an_activation_sends_nothing_is_moved(moving: Moving) -> None:
    with writing(moving.state) as connection:
        connection.execute(
            sa.insert(batches).values(
                batch_id="b", destination="crm", audience=SEGMENT, is_exclusive=False,
                lease_owner=new_owner(), lease_expires_at=utc_now() + dt.timedelta(minutes=5),
                created_at=utc_now(),
            )
        )  # fmt: skip
    with pytest.raises(InputError, match="an activation is sending"):
        moving.move()
    assert moving.file.exists()


def test_it_goes_to_postgresql_and_from_a_file_that_is_there(
    moving: Moving, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no such file"):
        move_state(moving.settings, tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()
    here = moving.settings.model_copy(update={"state_url": SecretStr(f"sqlite:///{moving.file}")})
    with pytest.raises(InputError, match="the state database is not PostgreSQL"):
        move_state(here, moving.file)

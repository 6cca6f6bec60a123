"""`identity`: who is who is explained, corrected by a word, and the word is taken back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from typer import Typer
from typer.testing import CliRunner

from marketing_platform.activation import TOLD
from marketing_platform.cli import activation_app
from marketing_platform.errors import ConfigError, ContractError, InputError
from marketing_platform.identity_cli import identity_app
from marketing_platform.pipeline import build_table, needed
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import Settings, load_settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.state import open_state, reading, suppressions
from marketing_platform.warehouse import Warehouse

ORDERS = "Order ID,Customer ID,Email,Phone,Order Date,Amount\n"


class Shop:
    """A shop of a few orders, built by hand up to `identity`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config" / "segments").mkdir(parents=True)

    def write(self, *lines: str, identity: str = "{}") -> None:
        (self.folder / "orders.csv").write_text(ORDERS + "\n".join(lines) + "\n")
        (self.folder / "config" / "platform.yaml").write_text(
            "clock: newest_record\n"
            f"sources: {{files: {{orders: {{path: '{self.folder / 'orders.csv'}'}}}}}}\n"
            f"identity: {identity}\n"
        )

    @property
    def settings(self) -> Settings:
        return load_settings()

    def build(self) -> dict[str, str]:
        """Build anew what identity needs; the customer of each contact."""
        settings = self.settings
        ingest(settings, "orders")
        warehouse = Warehouse(settings.warehouse_path)
        for name in needed(settings, ["identity.customers"]):
            build_table(warehouse, settings, name)
        return dict(warehouse.read("identity.contact_customers").iter_rows())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("MARKETING_PLATFORM_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MARKETING_PLATFORM_DATA_DIR", str(tmp_path / "data"))
    return Shop(tmp_path)


def said(*arguments: str, app: Typer = identity_app) -> str:
    """What a command prints. A mistake is raised, as `main` tells it."""
    done = CliRunner().invoke(app, list(arguments))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


LINES = (
    "1,a,ann@shop.org,,2026-01-01,5",
    "2,b,ann@shop.org,+442071838750,2026-01-02,5",
    "3,c,,+442071838750,2026-01-03,5",
    "4,d,dan@shop.org,,2026-01-04,5",
)


def test_the_path_between_contacts_is_shown_and_a_word_can_be_taken_back(shop: Shop) -> None:
    shop.write(*LINES)
    first = shop.build()
    assert len({first[f"files:{name}"] for name in "abc"}) == 1
    told = said("explain", "ann@shop.org")
    assert first["files:a"] in told
    assert "files:b" in told and "tied to files:a by email ann@shop.org" in told
    assert "tied to files:b by phone +442071838750" in told

    assert "edge 1" in said("unmerge", "files:c", "--reason", "shares a phone")
    apart = shop.build()
    assert apart["files:c"] != apart["files:a"] == first["files:a"]
    assert f"split: {first['files:a']} -> {apart['files:c']}" in said("changes")
    assert "phone +442071838750 is that of 2 customers" in said("review")

    assert "edge 2" in said("merge", "ann@shop.org", "dan@shop.org")
    merged = shop.build()
    assert merged["files:d"] == merged["files:a"]
    assert "by edge 2: told by a person" in said("explain", "dan@shop.org")

    said("undo", "1")
    said("undo", "2")
    assert shop.build() == first
    assert said("edges").count("taken back") == 2


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["explain", "nobody"], "nobody: no customer"),
        (["merge", "ann@shop.org", "files:a"], "they are one customer already"),
        (["unmerge", "files:zzz"], "files:zzz: no such contact"),
        (["undo", "7"], "no edge 7 that holds"),
    ],
)
def test_a_mistake_costs_a_line_and_says_nothing_about_anybody(
    shop: Shop, arguments: list[str], found: str
) -> None:
    shop.write(*LINES)
    shop.build()
    with pytest.raises(InputError, match=found):
        said(*arguments)
    assert said("edges").startswith("Nobody has said")


def test_a_mapping_that_merges_too_many_is_held_until_it_is_accepted(shop: Shop) -> None:
    strict = "{judged_from: 2, most_merged_share: 0.1}"
    shop.write(*LINES, identity=strict)
    before = shop.build()
    bridge = "5,a,dan@shop.org,,2026-01-05,5"
    shop.write(*LINES, bridge, "6,d,,+442071838750,2026-01-06,5", identity=strict)
    with pytest.raises(ContractError, match=r"1 customers \(50\.0%\) would be merged") as caught:
        shop.build()
    warehouse = Warehouse(shop.settings.warehouse_path)
    assert dict(warehouse.read("identity.contact_customers").iter_rows()) == before
    digest = str(caught.value).partition("identity accept ")[2].split(".")[0]
    # As the job that built it remembers it.
    state = open_state(shop.settings.state_url.get_secret_value())
    failed = CheckResult("identity.contact_customers", "contract", False, caught.value.what)
    record_check(state, failed)
    with pytest.raises(InputError, match=f"no such mapping is held.*identity accept {digest}$"):
        said("accept", f"{digest}.")
    with pytest.raises(ContractError):
        shop.build()
    said("accept", digest)
    after = shop.build()
    assert len(set(after.values())) == 1
    assert "merged" in said("changes")


def test_fakes_and_what_too_many_share_tie_nobody(shop: Shop) -> None:
    fakes = ["test@test.com", "asdf@asdf.com", "x@mailinator.com", "noreply@shop.org"]
    lines = [f"{n}{m},{n}{m},{fake},,2026-01-01,5" for n, fake in enumerate(fakes) for m in "xy"]
    crowd = [f"c{n},c{n},,+442071838750,2026-01-01,5" for n in range(14)]
    zeros = [f"z{n},z{n},,+440000000000,2026-01-01,5" for n in range(2)]
    spellings = ["A.n.n+news@gmail.com", "ann@googlemail.com", "ann@gmial.com"]
    same = [f"s{n},s{n},{mail},,2026-01-01,5" for n, mail in enumerate(spellings)]
    shop.write(*lines, *crowd, *zeros, *same)
    found = shop.build()
    assert len({found[f"files:s{n}"] for n in range(3)}) == 1
    others = [customer for contact, customer in found.items() if ":s" not in contact]
    assert len(set(others)) == len(others)
    told = said("review")
    assert "phone +442071838750: 14 contacts, shared by too many" in told
    assert "disposable domain" in told
    assert "obvious fake" in told


def test_who_must_not_be_written_to_is_named_as_people_know_them(shop: Shop) -> None:
    shop.write(*LINES)
    customers = shop.build()
    names = ("Ann@shop.org", "files:b", customers["files:d"])
    assert said("suppress", *names, app=activation_app) == "2 customers suppressed\n"
    again = ("suppress", "--take-back", "dan@shop.org", "ann@shop.org")
    assert said(*again, app=activation_app) == "2 suppressions taken back\n"
    assert said(*again, app=activation_app) == "0 suppressions taken back\n"


def test_a_list_of_people_is_looked_up_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of another tool has a hundred thousand; a look at all contacts for each takes days."""
    shop.write(*(f"{n},c{n},c{n}@shop.org,,2026-01-05,10" for n in range(40)))
    shop.build()
    looks, query = [], Warehouse.connect

    def connect(warehouse: Warehouse) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        looks.append(1)
        return query(warehouse)

    monkeypatch.setattr(Warehouse, "connect", connect)
    told = said("suppress", *(f"C{n}@shop.org" for n in range(40)), app=activation_app)
    assert told == "40 customers suppressed\n"
    assert len(looks) < 10


def test_a_word_about_a_person_is_not_put_into_another_ledger(shop: Shop) -> None:
    shop.write(*LINES)
    shop.build()
    # What the data remember; the state of this shell is a new one.
    (shop.settings.data_dir / TOLD).touch()
    for word in (("suppress", "ann@shop.org"), ("suppress", "--take-back", "ann@shop.org")):
        with pytest.raises(ConfigError, match="the ledger is empty"):
            said(*word, app=activation_app)
    with pytest.raises(ConfigError, match="the ledger is empty"):
        said("merge", "ann@shop.org", "dan@shop.org")


def test_what_still_bars_a_person_is_told_where_another_channel_is_taken_back(shop: Shop) -> None:
    shop.write(*LINES)
    shop.build()
    said("suppress", "ann@shop.org", "--channel", "email", app=activation_app)
    assert said("suppress", "ann@shop.org", "--take-back", app=activation_app) == (
        "0 suppressions taken back\n"
        "ann@shop.org is still barred by email: unsubscribed, told by command; to take that back:"
        " --channel email\n"
    )
    back = ("suppress", "ann@shop.org", "--take-back", "--channel", "email")
    assert said(*back, app=activation_app) == "1 suppression taken back\n"


def test_where_one_of_them_is_unknown_nobody_is_suppressed(shop: Shop) -> None:
    shop.write(*LINES)
    shop.build()
    with pytest.raises(InputError, match=r"nobody@shop\.org: no customer"):
        said("suppress", "ann@shop.org", "nobody@shop.org", app=activation_app)
    with pytest.raises(InputError, match=r"a@b\.c: no customer; nor is one meant by 1 more"):
        said("suppress", "a@b.c", "ann@shop.org", "nobody@shop.org", app=activation_app)
    back = said("suppress", "--take-back", "ann@shop.org", app=activation_app)
    assert back == "0 suppressions taken back\n"


def test_who_asks_to_be_erased_is_named_as_everybody_is(shop: Shop) -> None:
    shop.write(*LINES)
    customers = shop.build()
    with pytest.raises(InputError, match=r"nobody@shop\.org: no customer"):
        said("suppress", "nobody@shop.org", "--reason", "erased", app=activation_app)
    told = said("suppress", "Ann@shop.org", "--reason", "erased", app=activation_app)
    assert told == "1 customer suppressed\n"
    again = ("suppress", "--take-back", customers["files:a"])
    assert said(*again, app=activation_app) == "1 suppression taken back\n"


def test_who_had_left_before_they_ask_to_be_erased_is_known_as_erased(shop: Shop) -> None:
    shop.write(*LINES)
    shop.build()
    said("suppress", "ann@shop.org", app=activation_app)
    said("suppress", "ann@shop.org", "--reason", "erased", app=activation_app)
    # A later word does not make them one who has left alone.
    said("suppress", "ann@shop.org", app=activation_app)
    with reading(open_state(shop.settings.state_url.get_secret_value())) as connection:
        rows = connection.execute(sa.select(suppressions.c.channel, suppressions.c.reason)).all()
    assert [tuple(row) for row in rows] == [("all", "erased")]


def test_who_is_erased_is_erased_for_every_channel(shop: Shop) -> None:
    shop.write(*LINES)
    shop.build()
    with pytest.raises(InputError, match="--channel: who is erased is told of to nobody"):
        said(
            *("suppress", "ann@shop.org", "--reason", "erased", "--channel", "email"),
            app=activation_app,
        )


def test_who_asks_to_be_erased_by_an_id_that_became_another_one_is_not_passed_over(
    shop: Shop,
) -> None:
    shop.write(LINES[0], LINES[2])
    before = shop.build()
    shop.write(*LINES)
    after = shop.build()
    [gone] = {before["files:a"], before["files:c"]} - set(after.values())
    with pytest.raises(InputError, match=f"{gone}: it became {after['files:a']}"):
        said("suppress", gone, "--reason", "erased", app=activation_app)


def test_who_was_erased_is_suppressed_by_the_id_they_had(shop: Shop) -> None:
    shop.write(*LINES)
    done = said("suppress", "cus_gone", "--reason", "erased", app=activation_app)
    assert done == "1 customer suppressed\n"
    back = said("suppress", "--take-back", "cus_gone", app=activation_app)
    assert back == "1 suppression taken back\n"

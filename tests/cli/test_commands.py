"""The command line as a person uses it: one clear line for a mistake, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console
from rich.table import Table

from marketing_platform.cli import main
from marketing_platform.commands.places import unusable_warehouse
from marketing_platform.errors import ConfigError, no_permission
from marketing_platform.report import print_ingested, print_status
from marketing_platform.settings import load_settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.terminal import terminal
from marketing_platform.warehouse import Warehouse

Told = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parent.parent.parent
HEADER = "Order ID,Customer ID,Email,Order Date,SKU,Quantity,Unit Price\n"
LINES = "".join(
    f"{n},k{n % 9},k{n % 9}@example.com,2024-03-{1 + n % 20:02} 10:00:00,s{n % 3},1,{5 + n % 7}\n"
    for n in range(60)
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a configuration of its own and an export."""
    (tmp_path / "config" / "segments").mkdir(parents=True)
    (tmp_path / "config" / "platform.yaml").write_text(
        "destinations: {feeds: {type: files}}\n"
        "activations: [{segment: everybody, destination: feeds}]\n"
    )
    (tmp_path / "config" / "segments" / "everybody.yaml").write_text(
        "description: All who bought.\nmembers: {field: is_buyer, equals: true}\n"
    )
    (tmp_path / "orders.csv").write_text(HEADER + LINES, encoding="utf-8")
    return tmp_path


def command(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MARKETING_PLATFORM_")}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "marketing_platform.cli", *arguments],
        env={**kept, "COLUMNS": "120", **variables},
        capture_output=True, text=True, check=False, cwd=home, umask=0o022,
    )  # fmt: skip


@pytest.fixture
def told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `command`, in this process, for imports take seconds: for what ends before it begins."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        for name in [name for name in os.environ if name.startswith("MARKETING_PLATFORM_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, "argv", ["marketing-platform", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        written = capsys.readouterr()
        returncode = code if isinstance(code, int) else 1
        return subprocess.CompletedProcess(arguments, returncode, written.out, written.err)

    return call


def mistake(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a mistake costs."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.timeout(600)
def test_an_export_becomes_activated_segments_and_twice_is_the_same_as_once(home: Path) -> None:
    first = command(home, "run", "--orders", "orders.csv")
    assert first.returncode == 0, first.stderr
    feed = home / "data" / "shop" / "feeds"
    (path,) = feed.rglob("*.csv")
    rows = path.read_text().strip().splitlines()
    assert len(rows) == 1 + 9
    status = json.loads(command(home, "status", "--json").stdout)
    assert status["ledger"] == {
        "eligible": 9, "sent": 9, "suppressed": 0, "deferred": 0, "failed": 0,
    }  # fmt: skip
    assert status["tables"]["core.orders"] == 60
    assert [run["job"] for run in status["runs"]] == ["activation", "build"]
    assert {check["passed"] for check in status["checks"]} <= {True, False}

    shown = command(home, "activation", "explain", "k1@example.com")
    assert "everybody -> feeds: told on 20" in shown.stdout, shown.stderr
    assert "1 message, the newest first" in shown.stdout

    shown = command(home, "segment", "explain", "everybody", "k1@example.com")
    assert " is in everybody" in shown.stdout, shown.stderr

    # Who was erased is known by id alone, and why nobody writes to them is still to be told.
    command(home, "activation", "suppress", "cus_gone", "--reason", "erased")
    gone = command(home, "activation", "explain", "cus_gone")
    assert "never by all: erased, told by command" in gone.stdout, gone.stderr
    assert "no customer" in mistake(command(home, "activation", "explain", "nobody"))

    second = command(home, "run", "--orders", "orders.csv")
    assert second.returncode == 0, second.stderr
    assert not list((home / "data").rglob("*-wal")), "who copies a database copies one file"
    assert json.loads(command(home, "status", "--json").stdout)["ledger"] == status["ledger"]
    assert path.read_text().strip().splitlines() == rows

    shown = command(home, "activate", "--dry-run")
    assert "add 0, update 0, remove 0" in shown.stdout
    [plan] = json.loads(command(home, "activate", "--json").stdout)
    assert (plan["audience"], plan["status"]) == ("everybody", "done")

    # A receiver that is not there loses nothing, and shows no secret.
    (home / "config" / "platform.yaml").write_text(
        "destinations:\n"
        "  crm: {type: webhook, url: 'http://127.0.0.1:9/hook', token: '${CRM_TOKEN}',"
        " calls_per_run: 1}\n"
        "activations: [{segment: everybody, destination: crm}]\n"
    )
    done = command(home, "activate", CRM_TOKEN="hunter2hunter2")
    gone = command(home, "status", "--json", CRM_TOKEN="hunter2hunter2")
    assert "not everything could be sent" in done.stderr
    assert done.returncode != 0
    assert json.loads(gone.stdout)["ledger"]["deferred"] == 9, "nothing is lost"
    written = b"".join(p.read_bytes() for p in (home / "data").rglob("*") if p.is_file())
    assert "hunter2" not in done.stdout + done.stderr + gone.stdout
    assert b"hunter2" not in written


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["run", "--orders", "missing.csv"], "missing.csv: no such file"),
        (["run", "--orders", "orders.csv", "--map", "ordered_at=Day"], "no column 'Day'"),
        (["run", "--orders", "orders.csv", "--map", "orderd=SKU"], "Did you mean 'order_id'"),
        (["run", "--orders", "orders.csv", "--map", "x"], "Write field=column"),
        (["run", "--orders", "orders.csv", "--map", "ordrs.x=y"], "no stream 'ordrs'"),
        (["run", "--orders", "orders.csv", "--as-of", "tomorrow"], "Write YYYY-MM-DD"),
        (["run", "--orders", "orders.csv", "--currency", "euro"], "no currency: 'euro'"),
        (["run", "--orders", "orders.csv", "--as-of", "2199-01-01"], "has not happened yet"),
        (["run", "--orders", "orders.csv", "--as-of", "1999-01-01"], "before the first record"),
        (["backtest", "orders.csv", "--horizon-days", "400"], "horizon"),
        (["backtest", "orders.csv", "--task", "love"], "task"),
        (["dedupe", "orders.csv", "--out", "nowhere/people.csv"], "nowhere: no such folder"),
        (["quarantine", "list"], "nothing was built yet"),
    ],
)
def test_a_mistake_costs_one_line_and_writes_nothing(
    home: Path, told: Told, arguments: list[str], found: str
) -> None:
    assert found in mistake(told(*arguments))
    assert not (home / "data" / "shop" / "warehouse.duckdb").exists()
    assert not (home / "data" / "shop" / "shop.json").exists(), "nothing of it is remembered"


def test_what_a_shop_wrote_in_brackets_or_colons_is_shown_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orders [last].csv"
    path.write_text(
        "Order ID,Email,Order Date,Unit Price [/pc],Quantity [pcs]\n"
        "1,a@example.com,2024-03-01,5,1\n2,b@example.com,2024-03-02,6,1\n"
    )
    columns = {"unit_price": "Unit Price [/pc]", "quantity": "Quantity [pcs]"}
    settings = load_settings(
        data_dir=tmp_path / "data",
        environ={},
        is_optional=True,
        overlay={"sources": {"files": {"orders": {"path": str(path), "mapping": columns}}}},
    )
    console = Console(width=200, emoji=False)
    print_ingested(console, ingest(settings, "orders"))
    failed = {"table": "core.orders", "check": "contract", "passed": False}
    content: dict[str, Any] = {
        "data_dir": "/srv/[shop]",
        "tables": {},
        "checks": [{**failed, "detail": "contact_id: shop:email:a@example.com, [none] [/x]"}],
        "holds": ["core.orders: [/x]"],
        "runs": [],
        "plans": [],
        "ledger": dict.fromkeys(("eligible", "sent", "suppressed", "deferred", "failed"), 0),
        "reasons": [],
    }
    print_status(console, content)
    shown = capsys.readouterr().out
    for words in (
        *("orders [last].csv", "unit_price=Unit Price [/pc]", "quantity=Quantity [pcs]"),
        *("/srv/[shop]", "shop:email:a@example.com, [none] [/x]", "activation core.orders: [/x]"),
    ):
        assert words in shown


def test_what_a_terminal_would_do_is_shown_and_not_done(
    home: Path, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    # It would call the window otherwise and clear the screen.
    (home / "orders.csv").write_text("Da\x1b]0;all is well\x07y,Price\x1b[2J\n1,2\n")
    found = mistake(told("run", "--orders", "orders.csv"))
    assert "among Da\ufffd]0;all is well\ufffdy, Price\ufffd[2J. Name it" in found
    console, table = terminal(), Table("name")
    table.add_row("Zoë\x9b2J")
    console.print("Ann\x1b[2J\tsaid", markup=False)
    console.print(table)
    shown = capsys.readouterr().out
    assert "Ann\ufffd[2J" in shown
    assert "Zoë\ufffd2J" in shown


@pytest.mark.parametrize(
    ("yaml", "found"),
    [
        ("shop: {curency: EUR}", "shop.curency: no such key, perhaps currency"),
        ("shop: {timezone: Europe/Berln}", "no time zone: 'Europe/Berln', perhaps Europe/Berlin"),
        ("shop: {timezone: localtime}", "no time zone: 'localtime'"),
        ("shop: {currency: QQQ}", "no currency (ISO 4217): 'QQQ'"),
        ("shop: {country: UK}", "no country (ISO 3166): 'UK', perhaps GB"),
        ("sources: {files: {orders: {pth: x.csv}}}", "orders.pth: no such key, perhaps path"),
        ("feeds: {google: {folde: x}}", "feeds.google.folde: no such key, perhaps folder"),
        ("activations: [{segmnt: vip, destination: x}]", "segmnt: no such key, perhaps segment"),
        ("warehouses: {threads: 2}", "warehouses: no such key, perhaps warehouse"),
        ("destinations: {x: {type: webhook, ulr: 'https://a.example'}}", "ulr: no such key"),
        ("limits: 5", "limits: expected keys and values"),
        ("destinations: [x]", "destinations: expected keys and values"),
        (
            "activations: [{segment: vip, destination: x, only: me@example.com}]",
            "activations.0.only: expected a list, such as [one, two]",
        ),
        (
            "activations: [{segment: vip, destination: x, only: []}]",
            "activations.0.only: expected at least 1",
        ),
        # The words are those of a person, and not of the library that reads them.
        ("shop: {country: NO}", "shop.country: expected text; put it in quotes"),
        ("shop: {currency: euro}", "shop.currency: not of the form ^[A-Z]{3}$"),
        ("run_history: {keep_days: 1}", "run_history.keep_days: expected at least 7"),
        ("drift: {least_volume: 1.5}", "drift.least_volume: expected at most 1"),
        ("warehouse: {threads: all}", "warehouse.threads: expected a whole number"),
        ("fatigue: {per_day: 1.5}", "fatigue.per_day: expected a whole number"),
        ("freshness: {stale_hours: long}", "freshness.stale_hours: expected a number"),
        ("identity: {linkage: {is_enabled: maybe}}", "is_enabled: expected true or false"),
        ("shop: [", "not readable as YAML"),
        ("shop: {name: x}\nclock: 2011-02-30", "platform.yaml:2: no such day: 2011-02-30"),
        ("anomalies: {holidays: [2026-12-25, 2026-02-29]}", "no such day: 2026-02-29"),
        ("clock: yesterday", "clock: expected now, newest_record or a day such as 2011-12-09"),
        ("sources: {files: {order: {path: x}}}", "sources.files.order: expected 'orders'"),
        ("shop: &it\n  name: *it", "an alias (*name) stands inside of what it names"),
        ("shop: {name: '${file:secret.bin}'}", "shop.name: cannot read the secret file secret.bin"),
        ("alerts: {slack_url: 'https://hooks.slack.com/services/T0/B0/x'}", "alerts.slack_url: a"),
        # The second would take the place of the first, whose rules would be gone in silence.
        (
            "limits: {min_size: 1}\nactivations: []\nlimits: {max_size: 9}",
            "platform.yaml:3: the key limits is written twice. Take one of them out",
        ),
        ("shop: {name: A, currency: EUR, name: B}", "platform.yaml:1: the key name is written"),
        ("destinations: {x: {type: webhook, url: ftp://example.com}}", "not an http(s) URL"),
        (
            "destinations: {x: {type: google_ads, account_id: 123-456-7890}}",
            "destinations.x: account_id: expected a number, digits alone",
        ),
        (
            "destinations: {x: {type: webhook, url: 'https://example.com', token: abc}}",
            "a secret does not belong in a file",
        ),
        (
            "destinations: {x: {type: webhook, url: 'https://example.com', token: '${NOT_SET}'}}",
            "the environment variable NOT_SET is not set",
        ),
        # Alerts would go nowhere, and nobody would know.
        ("alerts: {slack_url: '${NOTHING}'}", "the environment variable NOTHING is empty"),
        ("alerts: {pagerduty_key: '${file:nothing}'}", "the secret file nothing is empty"),
    ],
)
def test_a_mistake_in_the_settings_names_file_and_key(
    home: Path, told: Told, monkeypatch: pytest.MonkeyPatch, yaml: str, found: str
) -> None:
    (home / "config" / "platform.yaml").write_text(yaml)
    (home / "secret.bin").write_bytes(b"\xff\xfe")
    (home / "nothing").write_text("\n")
    monkeypatch.setenv("NOTHING", "")
    line = mistake(told("status"))
    assert found in line
    assert "platform.yaml" in line


@pytest.mark.parametrize("name", ["shop [1]", "a*", "100 %25"])
def test_a_data_folder_that_would_be_taken_for_a_pattern_is_refused(home: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"a data folder cannot have . in its path"):
        load_settings(config_dir=home / "config", data_dir=home / name, environ={})
    taken = home / "it's {our} shop (2) & co"
    assert load_settings(config_dir=home / "config", data_dir=taken, environ={}).data_dir == taken


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_settings_that_are_not_utf_8_are_told(home: Path, told: Told, encoding: str) -> None:
    (home / "config" / "platform.yaml").write_text("shop: {name: Café}", encoding=encoding)
    assert "platform.yaml: cannot be read as text. Save it as UTF-8" in mistake(told("status"))


@pytest.mark.parametrize(
    ("yaml", "found"),
    [
        (
            "shopify: {shop: a.myshopify.com, acess_token: '${TOKEN_OF_SHOP}'}",
            "sources.shopify.acess_token: no such key, perhaps access_token",
        ),
        # The key as people write it, which is not always what the program calls it.
        (
            "landed: {tool: stitch, system: hubspot, path: x, shema: y}",
            "sources.landed.shema: no such key, perhaps schema.",
        ),
    ],
)
def test_a_misspelt_key_of_a_system_is_told_with_the_nearest_one(
    home: Path, told: Told, yaml: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_SHOP", "shpat_x")
    (home / "config" / "platform.yaml").write_text(f"sources: {{{yaml}}}")
    assert found in mistake(told("doctor"))


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        ("members: {field: lifetime_valu_amount, at_least: 5}", "lifetime_value_amount"),
        ("members: {segment: everybody}", "everybody -> everybody"),
        ("members: [", "YAML"),
    ],
)
def test_a_mistake_in_a_segment_is_told_before_anything_is_built(
    home: Path, told: Told, segment: str, found: str
) -> None:
    path = home / "config" / "segments" / "everybody.yaml"
    path.write_text(f"description: All.\n{segment}\n")
    line = mistake(told("run", "--orders", "orders.csv"))
    assert found in line
    assert "everybody.yaml" in line
    assert not (home / "data" / "shop" / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("{segment: everybdy, destination: feeds}", "Did you mean everybody?"),
        ("{segment: everybody, destination: fed}", "Did you mean feeds?"),
        ("{segment: everybody, destination: feeds, attributes: [emial]}", "Did you mean email?"),
        (
            "{segment: everybody, destination: mail, message: {subject: Hi, text: Hi}}",
            "message.text does not show people how to unsubscribe",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [["run", "--orders", "orders.csv"], ["doctor"]])
def test_a_mistake_in_a_rule_is_told_before_anything_is_built(
    home: Path, told: Told, rule: str, found: str, arguments: list[str]
) -> None:
    path = home / "config" / "platform.yaml"
    path.write_text(
        "destinations:\n"
        "  feeds: {type: files}\n"
        "  mail: {type: smtp, host: mail.example, from_email: a@b.example,"
        " unsubscribe_url: 'https://b.example'}\n"
        f"activations: [{rule}]\n"
    )
    assert found in mistake(told(*arguments))
    assert not (home / "data" / "shop" / "warehouse.duckdb").exists()


@pytest.mark.timeout(600)
def test_what_stopped_a_build_is_shown_and_judged_again_by_the_mapping_of_now(home: Path) -> None:
    lines = [
        f"{n},k{n % 9}@example.com,2024-03-{1 + n % 20:02},s,1,{'none yet' if n % 2 else 5},5"
        for n in range(60)
    ]
    header = "Order ID,Email,Order Date,SKU,Quantity,Asked,Paid"
    (home / "orders.csv").write_text("\n".join([header, *lines]))
    config = home / "config" / "platform.yaml"
    wrong = (
        "clock: newest_record\n"
        "sources: {files: {orders: {path: orders.csv, mapping: {unit_price: Asked}}}}\n"
        "destinations: {feeds: {type: files}}\n"
        "activations: [{segment: everybody, destination: feeds}]\n"
    )
    config.write_text(wrong)
    stopped = command(home, "run")
    assert "few_are_quarantined" in stopped.stderr
    assert "See: marketing-platform quarantine list" in stopped.stderr
    told = command(home, "quarantine", "list").stdout
    assert "30  files.orders: unreadable: unit_price" in told
    assert '"Asked":"none yet"' in command(home, "quarantine", "show", "--limit", "1").stdout

    config.write_text(wrong.replace("Asked", "Paid"))
    judged = command(home, "quarantine", "retry").stdout
    assert "30 records were held back, 0 are now" in judged
    assert command(home, "quarantine", "show", "files.orders").stdout == "Nothing is held back\n"
    wrong_name = mistake(command(home, "quarantine", "show", "files.ordres"))
    assert "files.ordres: no such source or stream. See: quarantine list" in wrong_name
    assert "Activation holds until all is built again: marketing-platform run" in judged
    # Lines of orders are judged before what is made of them.
    path = home / "data" / "shop" / "warehouse.duckdb"
    items = "select count(*) from staging.files_order_items"
    assert Warehouse(path).query(items).item() == 60
    assert command(home, "run").returncode == 0


def test_what_is_written_is_no_business_of_other_users_of_the_machine(home: Path) -> None:
    command(home, "status")
    (home / "data" / "shop" / "lake").mkdir(mode=0o750)
    made = command(home, "backup", "monday.tar.gz")
    assert made.returncode == 0, made.stderr
    written = [home / "monday.tar.gz", home / "data", *(home / "data").rglob("*")]
    assert home / "data" / "shop" / "state.db" in written
    assert [path for path in written if path.stat().st_mode & 0o007] == []


def test_a_folder_that_holds_the_demo_is_not_mixed_with_a_shop(home: Path) -> None:
    folder = home / "mine"
    folder.mkdir()
    (folder / "origin").write_text("demo")
    done = command(home, "run", "--orders", "orders.csv", MARKETING_PLATFORM_DATA_DIR=str(folder))
    assert "the folder holds the demo" in mistake(done)


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        ["activate"], ["activate", "--dry-run"], ["quarantine", "list"],
        ["segment", "preview", "everybody"], ["segment", "explain", "everybody", "cus_1"],
        ["identity", "explain", "cus_1"],
    ],
)  # fmt: skip
def test_a_command_that_needs_a_build_says_so_where_none_ended(
    home: Path, told: Told, arguments: list[str], made: bool
) -> None:
    if made:
        folder = home / "data" / "shop"
        folder.mkdir(parents=True)
        duckdb.connect(str(folder / "warehouse.duckdb")).close()
    line = mistake(told(*arguments))
    assert "built" in line
    assert "marketing-platform run" in line


def test_a_data_folder_that_is_a_file_is_told(home: Path) -> None:
    done = command(home, "status", MARKETING_PLATFORM_DATA_DIR=str(home / "orders.csv"))
    assert "orders.csv: the data folder is a file. Name a folder" in mistake(done)


@pytest.mark.skipif(not Path("/sys/fs").exists(), reason="there is no /sys/fs on this system")
def test_a_folder_where_nothing_may_be_written_is_told_in_one_line(home: Path) -> None:
    # Even for root, nothing can be made in there.
    done = command(home, "run", "--orders", "orders.csv", MARKETING_PLATFORM_DATA_DIR="/sys/fs/x")
    assert "/sys/fs/x: not permitted. Let the user" in mistake(done)


@pytest.mark.skipif(not Path("/sys/fs").exists(), reason="there is no /sys/fs on this system")
def test_a_warehouse_that_may_not_be_opened_is_told_in_one_line() -> None:
    with pytest.raises(duckdb.IOException) as caught:
        duckdb.connect("/sys/fs/warehouse.duckdb")
    told = no_permission(caught.value)
    assert str(told).startswith("/sys/fs/warehouse.duckdb: not permitted. Let the user that runs")


def test_a_warehouse_that_another_program_has_open_is_told_in_one_line(tmp_path: Path) -> None:
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.read()"
    )
    path = tmp_path / "warehouse.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    holder.stdout.readline()
    try:
        with pytest.raises(duckdb.IOException) as caught, Warehouse(path, lock_seconds=0).connect():
            pass
    finally:
        holder.kill()
        holder.wait()
    assert str(unusable_warehouse(caught.value)) == (
        f"{path}: another program has it open (PID {holder.pid}). Close it, or try again after the"
        " build"
    )


def test_a_warehouse_that_is_none_is_told_in_one_line(home: Path, told: Told) -> None:
    folder = home / "data" / "shop"
    folder.mkdir(parents=True)
    (folder / "warehouse.duckdb").write_text("no warehouse " * 1000)
    line = mistake(told("segment", "preview", "everybody"))
    assert "warehouse.duckdb: not a warehouse, or damaged. Restore a backup, or move" in line


def test_a_full_disk_is_told_in_one_line(told: Told, home: Path) -> None:
    (home / "people.csv").write_text(
        "given_name,surname,email\nada,lovelace,a@example.com\nbob,smith,b@example.com\n"
    )
    # A file that takes nothing, as a full disk does not.
    done = told("dedupe", "people.csv", "--out", "/dev/full")
    assert done.returncode == 6
    assert done.stderr.splitlines()[1:] == [
        "error: the disk is full (No space left on device (os error 28)). Make room and run again;"
        " it goes on where it stopped"
    ]

"""What commands print can be read, copied and searched, in any terminal and in a pipe."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from marketing_platform.cli import app, main
from marketing_platform.quality.incidents import Finding
from marketing_platform.quality.incidents import report as report_incidents
from marketing_platform.report import print_ingested, print_ledger, print_status
from marketing_platform.settings import DATA_DIR_VARIABLE, Settings
from marketing_platform.sources.files.ingest import Ingested
from marketing_platform.sources.files.mapping import Column
from marketing_platform.state import open_state
from marketing_platform.terminal import terminal

FIGURES = ("eligible", "sent", "suppressed", "deferred", "failed")
NAMES = ("high_value_churn_risk_when_conversion_7d_dip", "متجر", "日本語の名前", "🛒 carts")


@pytest.fixture
def width(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Sets how wide the terminal is; None is a pipe, which says nothing of it."""

    def set_it(columns: int | None) -> None:
        if columns is None:
            monkeypatch.delenv("COLUMNS", raising=False)
        else:
            monkeypatch.setenv("COLUMNS", str(columns))

    return set_it


def plans() -> list[dict[str, Any]]:
    sums = {name: 1_234_567 + n for n, name in enumerate(FIGURES)}
    return [
        {"segment": name, "destination": f"klaviyo of {name}", "status": "done", **sums}
        for name in NAMES
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 140, None])
def test_no_figure_of_the_ledger_is_cut_however_narrow_the_terminal(
    width: Callable[[int | None], None],
    capsys: pytest.CaptureFixture[str],
    columns: int | None,
) -> None:
    width(columns)
    print_ledger(terminal(), plans(), dict.fromkeys(FIGURES, 98765432))
    shown = capsys.readouterr().out
    assert "…" not in shown
    for n in range(len(FIGURES)):
        assert shown.count(f"{1_234_567 + n:,}") == len(NAMES)
    assert shown.count("98,765,432") == len(FIGURES)
    if columns is None:
        assert all(name in shown for name in NAMES)


@pytest.mark.parametrize("columns", [60, None])
def test_a_sentence_is_one_line_so_that_a_path_in_it_can_be_copied(
    width: Callable[[int | None], None],
    capsys: pytest.CaptureFixture[str],
    columns: int | None,
) -> None:
    width(columns)
    sentence = f"feed google: written, 153 offers; /srv/{'a long folder/' * 9}products.xml"
    terminal().print(sentence, markup=False)
    assert capsys.readouterr().out == f"{sentence}\n"


def test_in_a_pipe_each_field_of_an_export_has_a_line(
    width: Callable[[int | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    width(None)
    columns = {"ordered_at": Column("Order Date", "", "iso"), "email": Column("E-Mail", "")}
    day = dt.date(2024, 3, 1)
    took = Ingested("orders", Path("o.csv"), 1, day, day, columns, is_new=True)
    print_ingested(terminal(), took)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "orders: 1 record, 2024-03-01 to 2024-03-01, from o.csv"
    assert others == ["  ordered_at=Order Date (iso)", "  email=E-Mail"]


def test_a_moment_says_its_time_zone_and_a_run_its_state_in_words(
    width: Callable[[int | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    width(80)
    run = {
        "run_id": "52060fd9-aa", "job": "activation", "status": "SUCCESS",
        "started_at": dt.datetime(2026, 11, 30, 14, 47, 41, 2985, dt.UTC).isoformat(),
    }  # fmt: skip
    content = {
        "data_dir": "/srv/shop", "tables": {}, "checks": [], "holds": [], "runs": [run],
        "plans": [], "ledger": dict.fromkeys(FIGURES, 0), "reasons": [],
    }  # fmt: skip
    print_status(terminal(), content)
    shown = capsys.readouterr().out
    assert "52060fd9 activation success 2026-11-30 14:47 UTC" in shown


@pytest.fixture
def shop(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The state of a shop in which nothing happened yet; commands are called on it."""
    settings = make_settings()
    settings.data_dir.mkdir(parents=True)
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(settings.data_dir))
    return open_state(settings.state_url.get_secret_value())


@pytest.fixture
def call(shop: sa.Engine, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints."""

    def run(*arguments: str) -> str:
        app(arguments, standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("identity edges", "Nobody has said that two are one person, or are not"),
        ("identity changes", "No customers were merged or split"),
        ("activation held", "0 audiences held"),
        ("activation failures", "0 messages failed"),
        ("activation retry", "0 messages wait for the next activation"),
    ],
)
def test_a_command_that_finds_nothing_says_so(
    call: Callable[..., str], arguments: str, said: str
) -> None:
    assert call(*arguments.split()) == f"{said}\n"


def test_the_status_of_a_shop_without_anything_says_how_to_begin(call: Callable[..., str]) -> None:
    shown = call("status").splitlines()
    assert shown[1:] == ["Nothing was built yet. Start: marketing-platform run"]


def test_incidents_and_held_plans_can_be_read_by_a_program(
    call: Callable[..., str], shop: sa.Engine
) -> None:
    report_incidents(shop, "a sensor", [Finding("k", "the disk is nearly full", "1 GB")])
    (incident,) = json.loads(call("incidents", "--json"))
    assert (incident["title"], incident["severity"]) == ("the disk is nearly full", "warning")
    assert json.loads(call("activation", "held", "--json")) == []
    # The number that --acknowledge takes.
    shown = call("incidents")
    assert shown.startswith(f"warning #{incident['incident_id']} since 20"), shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("rnu", "No such command 'rnu'. Did you mean 'run'? See: marketing-platform --help"),
        (
            "run --oders x",
            "No such option: --oders (Possible options: --ads, --orders). See: marketing-platform"
            " run --help",
        ),
        (
            "activation release seventeen --by Ada",
            "Invalid value for 'plan': expected a whole number. See: marketing-platform activation"
            " release --help",
        ),
        (
            "demo --customers 3",
            "Invalid value for '--customers': expected at least 50. See: marketing-platform demo"
            " --help",
        ),
        (
            "activation suppress a@b.example --channel mail",
            "Invalid value for '--channel': 'mail' is not one of 'email', 'sms', 'push', 'all'."
            " See: marketing-platform activation suppress --help",
        ),
        (
            "segment preview",
            "Missing argument 'name'. See: marketing-platform segment preview --help",
        ),
    ],
)
def test_a_command_that_is_misused_costs_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    told: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["marketing-platform", *arguments.split()])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: {told}\n"


@pytest.mark.parametrize(
    ("arguments", "code"), [("--help", 0), ("segment --help", 0), ("segment", 2)]
)
def test_help_is_printed_where_it_is_asked_for_or_nothing_was_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    code: int,
) -> None:
    monkeypatch.setattr(sys, "argv", ["marketing-platform", *arguments.split()])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    assert end.value.code == code
    assert "Usage: " in shown.out
    assert shown.err == ""

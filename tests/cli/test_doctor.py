"""`doctor`: a line per configured system, and an exit code that tells."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from marketing_platform.commands.looking import examine
from marketing_platform.demo.sandbox.config import demo_sources
from marketing_platform.demo.sandbox.facts import make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import SourceError
from marketing_platform.settings import load_settings


def test_each_system_has_a_line_and_a_refused_one_fails_without_its_secret(tmp_path: Path) -> None:
    facts = make_facts(customers=50, end=dt.date(2026, 6, 30), days=70)
    with Sandbox(facts) as sandbox:
        sources = demo_sources(sandbox, tmp_path / "secrets")
        shop = {key: sources["shopify"][key] for key in ("shop", "base_url")}
        sources["shopify_two"] = {"type": "shopify", **shop, "access_token": "${WRONG}"}
        config = tmp_path / "config"
        config.mkdir()
        (config / "platform.yaml").write_text(yaml.safe_dump({"sources": sources}))
        settings = load_settings(
            config_dir=config,
            data_dir=tmp_path / "data",
            environ={**os.environ, "WRONG": "shpat_of_somebody_else"},
        )
        printed = Console(file=io.StringIO(), width=400)
        with pytest.raises(SourceError, match="cannot be used: shopify_two"):
            examine(printed, settings)
    lines = printed.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == len(sources) == len(sandbox.vendors) + 1
    for line in lines:
        is_wrong = "shopify_two" in line
        assert line.startswith("bad" if is_wrong else "good")
        assert ("401" in line) == is_wrong
        assert ("clock good" in line) != is_wrong
        assert "nothing pulled yet" in line
    assert "shpat_of_somebody_else" not in printed.file.getvalue()  # type: ignore[attr-defined]


def test_a_clock_that_is_off_is_told(tmp_path: Path) -> None:
    facts = make_facts(customers=50, end=dt.date(2026, 6, 30), days=70)
    faults = Faults(share=1.0, kinds=("clock_off",), in_a_row=1_000)
    with Sandbox(facts, vendors=["stripe"], faults=faults) as sandbox:
        sources = demo_sources(sandbox, tmp_path / "secrets")
        told = told_of_a_bad_stripe(tmp_path, sources)
    assert re.search(r"clocks differ by \+1[78][0-9]{3} s", told)


def test_a_system_that_is_down_is_told_before_a_person_gives_up(tmp_path: Path) -> None:
    facts = make_facts(customers=50, end=dt.date(2026, 6, 30), days=70)
    with Sandbox(facts, vendors=["stripe"]) as sandbox:
        sources = demo_sources(sandbox, tmp_path / "secrets")
    told = told_of_a_bad_stripe(tmp_path, sources)
    host = sources["stripe"]["base_url"].split("/")[2]
    assert f"Stripe: no connection to {host}: Connection refused, after 3 attempts; noth" in told


def told_of_a_bad_stripe(folder: Path, sources: dict[str, Any]) -> str:
    """What `doctor` prints of a shop with these sources."""
    (folder / "config").mkdir()
    (folder / "config" / "platform.yaml").write_text(yaml.safe_dump({"sources": sources}))
    settings = load_settings(config_dir=folder / "config", data_dir=folder / "data")
    printed = io.StringIO()
    with pytest.raises(SourceError, match="cannot be used: stripe"):
        examine(Console(file=printed, width=400), settings)
    return printed.getvalue()


def test_rules_are_counted_and_those_that_are_tried_out_are_named(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "segments").mkdir(parents=True)
    (config / "segments" / "everybody.yaml").write_text(
        "description: All who bought.\nmembers: {field: is_buyer, equals: true}\n"
    )
    rule = {"segment": "everybody", "destination": "feeds"}
    shop = {
        "destinations": {"feeds": {"type": "files"}},
        "activations": [{**rule, "only": ["grace@example.com"]}],
    }
    (config / "platform.yaml").write_text(yaml.safe_dump(shop))
    printed = Console(file=io.StringIO(), width=100)
    examine(printed, load_settings(config_dir=config, data_dir=tmp_path / "data"))
    shown = printed.file.getvalue()  # type: ignore[attr-defined]
    assert "1 sound; tried out: everybody -> feeds" in shown

"""Dagster's own storage in PostgreSQL: the same jobs, and the password is written nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from marketing_platform.activation import ledger_sums
from marketing_platform.definitions import prepare_instance, recent_runs, run_job
from marketing_platform.errors import ConfigError
from marketing_platform.settings import DAGSTER_URL_VARIABLE, Settings
from marketing_platform.state import open_state


def test_a_shop_is_built_and_activated_on_an_instance_in_postgresql(
    built: Settings, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_url.replace("+psycopg", "+psycopg2").replace("ledger@", "ledger:hunter2@")
    monkeypatch.setenv(DAGSTER_URL_VARIABLE, url)
    assert run_job(built, "activation").success
    state = open_state(built.state_url.get_secret_value())
    sums = ledger_sums(state)
    assert sums["sent"] > 0
    assert run_job(built, "activation").success
    assert ledger_sums(state) == sums, "nobody is told twice"
    home = prepare_instance(built)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert "Postgres" in type(instance.run_storage).__name__
        runs = [run.job_name for run in instance.get_runs()]
        key = dg.AssetKey(["activation", "messages"])
        assert instance.get_latest_materialization_event(key) is not None
    assert runs == ["activation", "activation"]
    assert "hunter2" not in json.dumps(recent_runs(built), default=str)
    written = b"".join(p.read_bytes() for p in Path(home).rglob("*") if p.is_file())
    assert b"hunter2" not in written


def test_a_url_of_another_driver_is_told_with_what_to_write(
    tiny_shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DAGSTER_URL_VARIABLE, "postgresql://ledger:hunter2@host/db")
    with pytest.raises(ConfigError, match=r"DAGSTER_URL.*postgresql\+psycopg2://") as told:
        prepare_instance(tiny_shop)
    assert "hunter2" not in str(told.value)

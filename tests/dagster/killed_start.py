"""Starts the activation of the shop of a folder, says so before its first step, and waits there."""

import sys
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg
from tiny_settings import settings_in

from marketing_platform.definitions import run_job

create_run = dg.DagsterInstance.create_run_for_job


def stopped_run(*arguments: Any, **named: Any) -> dg.DagsterRun:
    create_run(*arguments, **named)
    print("created", flush=True)
    Event().wait()
    raise AssertionError


dg.DagsterInstance.create_run_for_job = stopped_run  # type: ignore[method-assign]
run_job(settings_in(Path(sys.argv[1])), "activation")

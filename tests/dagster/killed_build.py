"""Builds the shop of a folder up to its clock, says so, and waits there to be killed."""

import sys
from pathlib import Path
from threading import Event

from tiny_settings import settings_in

import assets.tables as tables
from marketing_platform.definitions import run_job
from marketing_platform.pipeline import build_table

built: list[str] = []


def stopped_build(*arguments: object) -> object:
    # The step of the clock is over once the next table is asked for.
    if "core.clock" in built:
        print("core.clock", flush=True)
        Event().wait()
    done = build_table(*arguments)
    built.append(str(done.name))
    return done


tables.build_table = stopped_build
run_job(settings_in(Path(sys.argv[1])), "build")

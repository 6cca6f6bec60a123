"""Building everything, from exports or systems, and activating it; backtests of an export."""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from sqlalchemy.engine import make_url

from marketing_platform import report
from marketing_platform.activation.rules import check_declared
from marketing_platform.commands.looking import read_status
from marketing_platform.commands.places import open_warehouse, shown
from marketing_platform.errors import InputError, PlatformError
from marketing_platform.pipeline import build_all
from marketing_platform.quality.checks import rates_known
from marketing_platform.segments.load import load_segments
from marketing_platform.settings import FileStream, Settings, Shop, Sources, load_settings
from marketing_platform.shop import claim_folder, remember_input
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.client import PULLING
from marketing_platform.sources.files.fields import STREAMS
from marketing_platform.sources.files.ingest import coverage, ingest, inspect
from marketing_platform.sources.files.mapping import parse_told
from marketing_platform.warehouse import Warehouse

_BUILDING = "Pulling and building every table"


def run_export(
    console: Console,
    files: Mapping[str, Path],
    maps: list[str],
    date_format: str | None,
    as_of: dt.date | None,
    currency: str | None,
) -> None:
    """Take in exports, build every table, activate the segments, and say what happened."""
    shop = load_settings()
    streams = _streams(files, maps, date_format, shop.platform.sources.files)
    # A mistake in a segment, a rule or a file is told before anything is written.
    _refuse_wrong_rules(shop)
    looked = {stream: inspect(stream, file) for stream, file in streams.items()}
    overlay: dict[str, Any] = {
        "clock": as_of.isoformat() if as_of else "newest_record",
        "sources": {"files": {s: f.model_dump(mode="json") for s, f in streams.items()}},
    }
    # What an earlier run found in its orders is told by nobody.
    if not currency and not _tells_currency(load_settings(overlay={})):
        currency = looked["orders"].currency
        if currency:
            console.print(f"currency: {currency}, of the orders; another: --currency")
    if currency:
        overlay["shop"] = {"currency": currency}
    folder = claim_folder("shop")
    run_everything(console, load_settings(data_dir=folder, overlay=overlay), overlay)


def run_configured(console: Console, as_of: dt.date | None) -> None:
    """Pull the systems of `config/platform.yaml`, build every table, activate the segments.

    Exports that an earlier run named are forgotten: their records would be there twice.
    """
    configured = load_settings(overlay={})
    _refuse_wrong_rules(configured)
    if not active_sources(configured) and not configured.platform.sources.files:
        raise InputError(
            "no source is configured",
            where=str(configured.config_dir / "platform.yaml"),
            mend="Name systems there, see docs/sources.md, or an export: --orders FILE",
        )
    folder = claim_folder("shop")
    overlay = {"clock": as_of.isoformat()} if as_of else {}
    run_everything(console, load_settings(data_dir=folder, overlay=overlay), overlay)


def run_backtest(
    file: Path,
    task: str,
    horizon_days: int,
    as_of: dt.date | None,
    maps: list[str],
    date_format: str | None,
    currency: str | None,
) -> dict[str, Any]:
    """Backtest a task on an export of orders, in a scratch folder and database."""
    from marketing_platform.predictions.backtest import backtest

    # For who has installed nothing yet: no shop has to be there.
    base = load_settings(is_optional=True)
    configured = base.platform.sources.files
    streams = _streams({"orders": file}, maps, date_format, configured)
    with tempfile.TemporaryDirectory(prefix="backtest-") as scratch:
        sources = Sources(files={"orders": streams["orders"]})
        shop = base.platform.shop
        if not currency and not _tells_currency(load_settings(is_optional=True, overlay={})):
            currency = inspect("orders", streams["orders"]).currency
        if currency:
            shop = Shop.model_validate({**shop.model_dump(), "currency": currency})
        platform = base.platform.model_copy(
            update={"sources": sources, "clock": "newest_record", "shop": shop}
        )
        # Not the state of a shop either: what people said of its customers is about others.
        state_url = SecretStr(f"sqlite:///{Path(scratch) / 'state.db'}")
        settings = base.model_copy(
            update={"data_dir": Path(scratch), "state_url": state_url, "platform": platform}
        )
        warehouse = Warehouse(":memory:")
        build_all(
            warehouse,
            settings,
            until=[
                *("profiles.orders", "profiles.active_days"),
                *("core.order_items", "core.engagements"),
            ],
        )
        if not (rates := rates_known(warehouse)).passed:
            raise InputError(rates.detail, where=str(file))
        return backtest(
            warehouse, task=task, horizon_days=horizon_days, as_of=as_of, settings=settings
        )


def _refuse_wrong_rules(settings: Settings) -> None:
    segments = load_segments(settings.segments_dir)
    check_declared(settings, settings.platform.activations, segments)


def _tells_currency(settings: Settings) -> bool:
    return "currency" in settings.platform.shop.model_fields_set


def run_everything(
    console: Console, settings: Settings, overlay: dict[str, Any] | None = None
) -> None:
    """Build every table of a shop, activate its segments, and print what came of it.

    `overlay`, what the settings have beside `platform.yaml`, is remembered once nothing of the
    input was refused.
    """
    from marketing_platform.definitions import run_job

    _quiet_logs()
    started = time.monotonic()
    for stream in settings.platform.sources.files:
        report.print_ingested(console, ingest(settings, stream))
    _refuse_a_clock_before_everything(settings)
    if overlay is not None:
        remember_input(settings.data_dir, overlay)
    if settings.platform.sources.files:
        console.print("Another column: --map STREAM.FIELD=COLUMN", style="dim")
    for source in active_sources(settings):
        streams = ", ".join(stream.name for stream in source.streams)
        console.print(f"{source.system.title}: {streams}", highlight=False)
    with console.status(_BUILDING) as shown, _pulling_shown(shown):
        built = run_job(settings, "build")
    if not built.success:
        raise PlatformError(
            "; ".join(f"{step}: {error}" for step, error in built.failures.items()),
            where="build",
            mend="What was built before stands; see it in the UI: make up",
        )
    report.print_outcome(console, open_warehouse(settings))
    with console.status("Activating the segments"):
        sent = run_job(settings, "activation")
    content = read_status(settings)
    report.print_ledger(console, content["plans"], content["ledger"])
    report.print_trials(console, settings.platform.activations)
    if settings.platform.feeds:
        for check in content["checks"]:
            if check["check"] == "feeds_written":
                console.print(check["detail"], highlight=False, markup=False)
    for name, found in sent.failed_checks.items():
        if name.endswith("not_held"):
            console.print(f"[yellow]held[/] {escape(found)}", highlight=False)
    _print_places(console, settings, time.monotonic() - started)
    if not sent.success:
        raise PlatformError("; ".join(sent.failures.values()), where="activation")
    trouble = [found for name, found in sent.failed_checks.items() if name.endswith("delivered")]
    if trouble:
        raise PlatformError(
            f"not everything could be sent: {'; '.join(trouble)}",
            where="activation",
            mend="Nothing is lost; the next activation goes on",
        )


@contextmanager
def _pulling_shown(shown: Status) -> Iterator[None]:
    """How far a pull is stands beside the spinner."""

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.update(f"Pulling {escape(record.getMessage())}")

    handler = Shown()
    PULLING.addHandler(handler)
    try:
        yield
    finally:
        PULLING.removeHandler(handler)


def _refuse_a_clock_before_everything(settings: Settings) -> None:
    """Stop where the clock stands before the first record: everything would be empty."""
    clock, covered = settings.platform.clock, coverage(settings)
    if isinstance(clock, dt.date) and covered and clock < covered.first:
        raise InputError(
            f"{clock} is before the first record, of {covered.first}",
            where="--as-of",
            mend=f"Name a day from {covered.first} to {covered.last}",
        )


def _print_places(console: Console, settings: Settings, seconds: float) -> None:
    url = make_url(settings.state_url.get_secret_value())
    is_file = url.get_backend_name() == "sqlite"
    places = {
        "warehouse": shown(settings.warehouse_path),
        "raw records": shown(settings.lake_dir),
        "models": shown(settings.models_dir),
        "ledger": shown(Path(url.database or "")) if is_file else url.render_as_string(),
        "feeds": shown(settings.feeds_dir),
    }
    for name, place in places.items():
        console.print(f"{name + ':':<14}{place}", highlight=False, markup=False)
    console.print(f"Done in {seconds:.0f} s. Open the UI: [bold]make up[/]", highlight=False)


def _streams(
    files: Mapping[str, Path],
    maps: list[str],
    date_format: str | None,
    configured: Mapping[Any, FileStream],
) -> dict[str, FileStream]:
    told: dict[str, dict[str, str]] = {}
    for field, column in parse_told(maps).items():
        stream, dot, name = field.partition(".")
        if dot and stream not in STREAMS:
            raise InputError(
                f"no stream {stream!r}", where="--map", mend=f"There are: {', '.join(STREAMS)}"
            )
        told.setdefault(stream if dot else "orders", {})[name if dot else field] = column
    return {
        stream: FileStream(
            path=path.absolute(),
            mapping={**_mapping_of(configured, stream), **told.get(stream, {})},
            date_format=date_format,
        )
        for stream, path in files.items()
    }


def _mapping_of(configured: Mapping[Any, FileStream], stream: str) -> dict[str, str]:
    return configured[stream].mapping if stream in configured else {}


def _quiet_logs() -> None:
    # A run writes a line per event; the UI shows them, the terminal shows what came of it.
    logging.getLogger("alembic").setLevel(logging.WARNING)

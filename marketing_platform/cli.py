"""The `marketing-platform` command. A mistake costs one line and an exit code that is not 0."""

from __future__ import annotations

import atexit
import datetime as dt
import fcntl
import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from babel.numbers import is_currency
from pydantic import ValidationError
from typer.exceptions import TyperException

from marketing_platform.activation_cli import activation_app
from marketing_platform.collector import look_seldom
from marketing_platform.errors import InputError, PlatformError, full_disk, no_permission
from marketing_platform.identity_cli import dedupe, identity_app
from marketing_platform.mistakes import words_of
from marketing_platform.settings import (
    CONFIG_DIR_VARIABLE,
    DATA_DIR_VARIABLE,
    Settings,
    load_settings,
)
from marketing_platform.terminal import harmless, terminal
from marketing_platform.wording import counted

_NAME = "marketing-platform"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a shop's systems, or its exports, to segments that its tools are told of.",
)
app.add_typer(activation_app, name="activation")
app.add_typer(identity_app, name="identity")
quarantine_app = typer.Typer(no_args_is_help=True, help="Look after records held back.")
app.add_typer(quarantine_app, name="quarantine")
segment_app = typer.Typer(no_args_is_help=True, help="Look into the segments.")
app.add_typer(segment_app, name="segment")
app.command()(dedupe)

Maps = Annotated[
    list[str] | None,
    typer.Option("--map", help="FIELD=COLUMN for what the header does not tell; repeatable."),
]
DateFormat = Annotated[
    str | None, typer.Option(help="strptime format of the dates, e.g. '%d/%m/%Y %H:%M'.")
]
AsOf = Annotated[
    str | None,
    typer.Option(help="YYYY-MM-DD: compute everything as of the end of this day."),
]
Currency = Annotated[str | None, typer.Option(help="ISO 4217 code of the export.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_NOT_FOR_OTHERS = 0o027


def main() -> None:
    """Run the command line; known mistakes are told in one line."""
    look_seldom()
    # What is written is about people: it is its user's and the group's, whatever the shell says.
    os.umask(os.umask(_NOT_FOR_OTHERS) | _NOT_FOR_OTHERS)
    try:
        # None of a command that did its work; a code where it was ended on the way.
        sys.exit(app(prog_name=_NAME, standalone_mode=False) or 0)
    except PlatformError as error:
        _give_up(error)
    except TyperException as error:
        _give_up(_misused(error))
    except Exception as error:
        from marketing_platform.commands.places import unbuilt_table, unusable_warehouse

        folder = Path(os.environ.get(DATA_DIR_VARIABLE) or "data")
        told = (
            full_disk(error, folder)
            or no_permission(error)
            or unbuilt_table(error)
            or unusable_warehouse(error)
        )
        if told is None:
            raise
        _give_up(told)


def program() -> None:
    """The command as a program of its own, which ends as soon as nothing is left to do."""
    codes: list[int] = []
    # What is registered first runs last: files and ledgers are closed by then.
    atexit.register(_end_at_once, codes)
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            codes.append(end.code or 0)
        raise


def _end_at_once(codes: list[int]) -> None:
    """Leave the memory to the system; where nobody said with which code to end, to Python.

    Python takes half a million objects apart one by one, a sixth of what a small shop's run takes.
    """
    if codes:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])


def _misused(error: TyperException) -> PlatformError:
    """A command or an option that there is not, or that is not used so, in one line."""
    called = getattr(error, "ctx", None)
    path = called.command_path if called else _NAME
    if type(error).__name__ == "NoArgsIsHelpError":
        # Its help was printed: a group was named, and none of its commands.
        sys.exit(error.exit_code)
    told = error.format_message().rstrip(".")
    wrong = error.__context__
    if isinstance(wrong, ValidationError):
        told = told.removesuffix(error.message.rstrip(".")) + words_of(wrong.errors()[0]).rstrip(
            "."
        )
    return InputError(told, mend=f"See: {path} --help")


def _give_up(error: PlatformError) -> NoReturn:
    print(harmless(f"error: {error}"), file=sys.stderr)
    sys.exit(error.exit_code)


@app.command()
def run(
    orders: Annotated[
        Path | None, typer.Option(help="Export of orders: CSV, Parquet, JSON lines or a workbook.")
    ] = None,
    contacts: Annotated[Path | None, typer.Option(help="Export of contacts.")] = None,
    products: Annotated[Path | None, typer.Option(help="Export of products.")] = None,
    events: Annotated[Path | None, typer.Option(help="Export of site events.")] = None,
    ads: Annotated[Path | None, typer.Option(help="Export of ad performance.")] = None,
    maps: Maps = None,
    date_format: DateFormat = None,
    as_of: AsOf = None,
    currency: Currency = None,
) -> None:
    """Build everything from the configured systems, or from exports, and activate the segments.

    Without an export the systems in config/platform.yaml are pulled.

    The clock of exports is their newest record unless --as-of names a day.
    """
    from marketing_platform.commands import running

    files = {
        "orders": orders,
        "contacts": contacts,
        "products": products,
        "events": events,
        "ad_performance": ads,
    }
    given = {stream: path for stream, path in files.items() if path is not None}
    if orders:
        running.run_export(terminal(), given, maps or [], date_format, _day(as_of), _code(currency))
    elif given:
        raise InputError(
            "no export of orders",
            where=f"--{next(iter(given))}",
            mend="Name one too: --orders FILE",
        )
    else:
        running.run_configured(terminal(), _day(as_of))


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=50, help="How many customers.")] = 3000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 7,
    as_of: AsOf = None,
) -> None:
    """Make a small shop, run everything on it, and send its segments to a local receiver."""
    from marketing_platform.commands import simulated

    simulated.run_demo(terminal(), customers, seed, _day(as_of))


@app.command()
def sandbox(
    customers: Annotated[int, typer.Option(min=50, help="How many customers.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 7,
    as_of: AsOf = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8700,
    faults: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of requests that go wrong on purpose.")
    ] = 0.0,
    vendors: Annotated[
        list[str] | None, typer.Option("--vendor", help="Serve only this one; repeatable.")
    ] = None,
) -> None:
    """Serve a simulated shop in the vendors' own shapes on the loopback, until Ctrl-C."""
    from marketing_platform.commands import simulated

    simulated.serve_sandbox(terminal(), customers, seed, _day(as_of), port, faults, vendors or [])


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the Dagster UI on the current shop."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise InputError(
                "something answers on it already", where=f"port {port}", mend="Take another: --port"
            )
    from marketing_platform.commands import simulated
    from marketing_platform.demo.stand import is_planned

    settings = load_settings()
    _be_the_daemon(settings)
    if is_planned(settings.data_dir):
        simulated.start_stand(settings.data_dir)
        settings = load_settings()
    # What would take its place has none of its options for a workspace.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:Function `dev_command` is superseded")
    print(f"The UI is at http://127.0.0.1:{port} in some seconds. Ctrl-C ends it.", flush=True)
    quiet = ("--log-level", "warning")
    _hand_over(settings, "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), *quiet)


@app.command()
def daemon() -> None:
    """Run schedules and sensors, under a supervisor of your own. See docs/operations.md."""
    settings = load_settings()
    _be_the_daemon(settings)
    _hand_over(settings, "dagster-daemon", "run")


@app.command()
def web(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
    host: Annotated[str, typer.Option(help="The UI asks nobody who they are.")] = "127.0.0.1",
) -> None:
    """Serve the Dagster UI, under a supervisor of your own. See docs/operations.md."""
    _hand_over(load_settings(), "dagster-webserver", "-h", host, "-p", str(port))


def _be_the_daemon(settings: Settings) -> None:
    """Refuse where another process runs the schedules and sensors of this shop.

    The lock outlives `exec`: what this process becomes holds it until its end.
    """
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    held = os.open(settings.dagster_home / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            "its schedules and sensors run already, as a service or in another terminal",
            where=str(settings.data_dir),
            mend="Open the UI alone with `marketing-platform web`, or end that one first",
        ) from None
    os.set_inheritable(held, True)


def _hand_over(settings: Settings, program: str, *arguments: str) -> NoReturn:
    """Become a program of Dagster's, on this shop."""
    from marketing_platform.definitions import ROOT, begin_instance
    from marketing_platform.warehouse.opened import close_all

    close_all()
    os.environ["DAGSTER_HOME"] = str(begin_instance(settings))
    os.environ[DATA_DIR_VARIABLE] = str(settings.data_dir)
    os.environ[CONFIG_DIR_VARIABLE] = str(settings.config_dir)
    path = str(Path(sys.executable).with_name(program))
    os.execv(path, [path, *arguments, "-w", str(ROOT / "workspace.yaml")])  # noqa: S606 - on purpose


@app.command(hidden=True)
def stand(folder: Annotated[Path, typer.Argument(help="The data folder of a demo.")]) -> None:
    """Serve a demo's systems and receiver as long as the process that started this one lives."""
    from marketing_platform.commands import simulated

    simulated.serve_stand(folder, os.getppid())


@app.command()
def doctor() -> None:
    """Check each configured system and destination, and the rules. A line each; nothing is sent."""
    from marketing_platform.commands import looking

    looking.examine(terminal(), load_settings())


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show rows per table, checks, last runs, and the sums of the ledger."""
    from marketing_platform import report
    from marketing_platform.commands import looking

    content = looking.read_status(load_settings())
    if as_json:
        print(json.dumps(content, indent=2))
    else:
        report.print_status(terminal(), content)


@app.command()
def activate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plans, send nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Let a plan pass that the limits hold.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Plan what changed in the segments and send it."""
    from marketing_platform.commands import sending

    sending.activate_now(terminal(), load_settings(), dry_run=dry_run, force=force, as_json=as_json)


@app.command()
def backtest(
    file: Annotated[Path, typer.Argument(help="Export of orders.")],
    task: Annotated[str, typer.Option(help="purchase, churn, value or affinity.")] = "purchase",
    horizon_days: Annotated[int, typer.Option(help="Days looked ahead.")] = 14,
    as_of: AsOf = None,
    maps: Maps = None,
    date_format: DateFormat = None,
    currency: Currency = None,
    as_json: AsJson = False,
) -> None:
    """Show how good the scores would have been on an export, beside simple baselines."""
    from marketing_platform.commands import running

    result = running.run_backtest(
        file, task, horizon_days, _day(as_of), maps or [], date_format, _code(currency)
    )
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        from marketing_platform.predictions.backtest import summary_table

        print(summary_table(result))


@app.command()
def incidents(
    acknowledge: Annotated[
        int | None, typer.Option(help="Look after this one; it does not escalate any more.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who looks after it.")] = "",
    closed: Annotated[bool, typer.Option("--closed", help="Show closed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong, since when, and what it holds."""
    from marketing_platform.commands import looking

    if acknowledge is not None and not by:
        raise InputError("not said by whom", where="--acknowledge", mend="Add --by NAME")
    looking.show_incidents(
        terminal(), load_settings(), acknowledge, by, closed=closed, as_json=as_json
    )


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as monday.tar.gz.")],
) -> None:
    """Write lake, warehouse, state and models into one file."""
    from marketing_platform.backup import back_up

    made = back_up(load_settings(), file)
    print(f"{made.path}: {counted(made.file_count, 'file')}, {made.byte_count / 1e6:,.1f} MB")
    for what in made.left_out:
        print(f"left out: {what}")


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Put a backup into an empty data folder; nothing changes where it is damaged."""
    from marketing_platform.backup import restore as put_back

    settings = load_settings()
    made = put_back(settings, file)
    print(f"{counted(made.file_count, 'file is', 'files are')} back in {settings.data_dir}")
    for what in made.left_out:
        print(f"left out: {what}")
    print(
        f"It is of {made.made_at:%Y-%m-%d %H:%M} UTC: name again, before anything is sent, who was"
        " erased or suppressed by a command since"
    )


@app.command("move-state")
def move_state(
    file: Annotated[
        Path | None, typer.Argument(help="The SQLite state; the data folder's if not given.")
    ] = None,
) -> None:
    """Move a SQLite state with its ledger into the PostgreSQL of MARKETING_PLATFORM_STATE_URL."""
    from marketing_platform.moving import move_state as move

    settings = load_settings()
    moved = move(settings, file or settings.data_dir / "state.db")
    for name, count in sorted(moved.row_counts.items()):
        if count:
            print(f"{name}: {count:,} rows")
    print(f"The file is set aside as {moved.aside}")


@quarantine_app.command("list")
def quarantine_list() -> None:
    """Count the records that were held back, by stream and reason."""
    from marketing_platform.commands import looking

    looking.list_quarantine(terminal(), load_settings())


@quarantine_app.command("show")
def quarantine_show(
    stream: Annotated[
        str | None, typer.Argument(help="SOURCE or SOURCE.STREAM; everything if not given.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many records to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show records that were held back, with the reason and the record as it came."""
    from marketing_platform.commands import looking

    looking.show_quarantine(terminal(), load_settings(), stream, limit, as_json=as_json)


@quarantine_app.command("retry")
def quarantine_retry(
    source: Annotated[str | None, typer.Argument(help="A source; all if not given.")] = None,
) -> None:
    """Judge raw records again, by the mapping and settings of now; the next build takes them in."""
    from marketing_platform.commands import looking

    looking.retry_quarantine(terminal(), load_settings(), source)


@segment_app.command("list")
def segment_list() -> None:
    """List the segments: members, status, and what should be looked at."""
    from marketing_platform.commands import looking

    looking.list_segments(terminal(), load_settings())


@segment_app.command("preview")
def segment_preview(
    name: Annotated[str, typer.Argument(help="The segment.")],
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL as well.")] = False,
) -> None:
    """Compute a segment as its file is now: size, change, overlap and sample members."""
    from marketing_platform.commands import looking

    looking.preview_segment(terminal(), load_settings(), name, with_sql=sql)


@segment_app.command("explain")
def segment_explain(
    name: Annotated[str, typer.Argument(help="The segment.")],
    customer: Annotated[
        str, typer.Argument(help="A customer's id, a contact's, an e-mail or a phone.")
    ],
) -> None:
    """Show each condition of a segment with a customer's value."""
    from marketing_platform.commands import looking

    looking.explain_segment(terminal(), load_settings(), name, customer)


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"not a day: {text!r}", where="--as-of", mend="Write YYYY-MM-DD") from None
    if day > dt.datetime.now(dt.UTC).date():
        raise InputError(
            f"{day} has not happened yet", where="--as-of", mend="Name a day of the past"
        )
    return day


def _code(currency: str | None) -> str | None:
    if currency is None:
        return None
    if not is_currency(code := currency.strip().upper()):
        raise InputError(
            f"no currency: {currency!r}", where="--currency", mend="Write its ISO 4217 code: EUR"
        )
    return code


if __name__ == "__main__":
    program()

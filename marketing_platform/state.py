"""The state database: what must survive a crash and be written by many at once.

SQLite (WAL) where nothing is installed, PostgreSQL by URL. Here live the engine, the tables of the
send ledger and the rules that the database itself holds. What is written into them is decided in
`activation/`.
"""

from __future__ import annotations

import atexit
import datetime as dt
import itertools
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.sql.selectable import NamedFromClause

from marketing_platform.errors import ConfigError, full_disk

METADATA = sa.MetaData()
OPERATIONS = ("add", "update", "remove")
PLAN_STATUSES = ("planned", "held", "done")
SETTLED_STATES = ("sent", "suppressed", "failed")
# Who may become what. `failed -> deferred` is the explicit command `retry` and nothing else.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "planned": ("in_flight", "suppressed"),
    "in_flight": ("sent", "failed", "deferred"),
    "deferred": ("in_flight", "suppressed"),
    "failed": ("deferred",),
    "sent": (),
    "suppressed": (),
}
# SQLite uses a partial index only where the query repeats its condition word for word.
OPEN = "state in ('planned', 'in_flight', 'deferred')"
CLAIMABLE = f"{OPEN} and state <> 'in_flight'"
PRESENT = "not is_past"
_BUSY_SECONDS = 60


class UtcDateTime(sa.TypeDecorator[dt.datetime]):
    """A moment with a time zone in Python, stored as UTC without one."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Refuse a moment without a time zone; nobody could say which moment it is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without a time zone: {value}")
        return without_zone(value)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Give the time zone back."""
        return None if value is None else value.replace(tzinfo=dt.UTC)


def one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    """The column has one of these values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({listed})", name=f"{column}_is_known")


# One row: a decision about one audience at one destination, and how many messages came of it.
plans = sa.Table(
    "plans",
    METADATA,
    sa.Column("plan_id", sa.Integer, primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("held_reason", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("eligible_count", sa.Integer, nullable=False),
    sa.Column("add_count", sa.Integer, nullable=False),
    sa.Column("update_count", sa.Integer, nullable=False),
    sa.Column("remove_count", sa.Integer, nullable=False),
    sa.Column("suppressed_count", sa.Integer, nullable=False),
    sa.Column("superseded_count", sa.Integer, nullable=False),
    sa.Column("audience_count", sa.Integer, nullable=False),
    sa.Column("wanted_count", sa.Integer, nullable=False),
    # Members who may not be told, whichever plan found it first; null in plans of before.
    sa.Column("refused_count", sa.Integer),
    # What the plan would do, as a hash: a release is for this and nothing else.
    sa.Column("fingerprint", sa.Text),
    # The bucket and the share of those who are held out; null where nobody is.
    sa.Column("holdout", sa.Text),
    sa.Column("released_at", UtcDateTime),
    sa.Column("released_by", sa.Text),
    # The sums of a plan without work, when they were last counted; null while there is work. They
    # spare the ledger to be counted whole at each run.
    sa.Column("settled_sent", sa.Integer),
    sa.Column("settled_suppressed", sa.Integer),
    sa.Column("settled_failed", sa.Integer),
    sa.Column("counted_at", UtcDateTime),
    one_of("status", PLAN_STATUSES),
    sa.CheckConstraint("(status = 'held') = (held_reason is not null)", name="held_says_why"),
    sa.CheckConstraint("status <> 'held' or eligible_count = 0", name="held_sends_nothing"),
    sa.Index("plans_by_audience", "destination", "audience", "plan_id"),
    sa.Index("plans_counted", "counted_at"),
    sqlite_autoincrement=True,
)

# One row: a request to a destination. Its rows and their order never change while it is open.
batches = sa.Table(
    "batches",
    METADATA,
    sa.Column("batch_id", sa.String(32), primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("is_exclusive", sa.Boolean, nullable=False),
    sa.Column("lease_owner", sa.Text, nullable=False),
    sa.Column("lease_expires_at", UtcDateTime, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Index(
        "batches_open",
        "destination",
        sqlite_where=sa.text("closed_at is null"),
        postgresql_where=sa.text("closed_at is null"),
    ),
    # A feed is one file: two dispatchers that wrote it at once would undo each other's work.
    sa.Index(
        "batches_exclusive",
        "destination",
        "audience",
        unique=True,
        sqlite_where=sa.text("closed_at is null and is_exclusive"),
        postgresql_where=sa.text("closed_at is null and is_exclusive"),
    ),
    # Half a minute after half a minute it is asked whether anything was sent of late.
    sa.Index("batches_closed", "destination", "closed_at"),
)

# One row: one thing to tell a destination about one customer in one audience.
messages = sa.Table(
    "messages",
    METADATA,
    sa.Column("message_key", sa.String(32), primary_key=True),
    sa.Column("plan_id", sa.Integer, sa.ForeignKey(plans.c.plan_id), nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("payload", sa.Text),
    sa.Column("content_version", sa.String(32), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("may_have_arrived", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("next_attempt_at", UtcDateTime),
    # When the person's quiet hours begin: from then on the next plan says when it is due.
    sa.Column("not_after", UtcDateTime),
    sa.Column("batch_id", sa.String(32), sa.ForeignKey(batches.c.batch_id)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("settled_at", UtcDateTime),
    # By which channel it reaches the person, and whether it writes to them: these make tired.
    sa.Column("channel", sa.Text),
    sa.Column("reaches_person", sa.Boolean, nullable=False, server_default=sa.false()),
    # The destination's own id of it, by which engagement comes back.
    sa.Column("vendor_id", sa.Text),
    # A later message about the same customer in the same audience was sent: no plan needs this one.
    sa.Column("is_past", sa.Boolean, nullable=False, server_default=sa.false()),
    one_of("operation", OPERATIONS),
    one_of("state", tuple(TRANSITIONS)),
    sa.CheckConstraint("attempts >= 0 and sequence >= 0", name="counts_are_positive"),
    sa.CheckConstraint(
        "state not in ('suppressed', 'failed') or reason is not null", name="a_refusal_says_why"
    ),
    sa.CheckConstraint(
        "state <> 'in_flight' or batch_id is not null", name="in_flight_has_a_batch"
    ),
    sa.CheckConstraint("state = 'suppressed' or payload is not null", name="a_message_says_what"),
    sa.CheckConstraint(
        "(state in ('sent', 'suppressed', 'failed')) = (settled_at is not null)",
        name="settled_says_when",
    ),
    # Two planners at the same time number the same next message; one of them wins.
    sa.UniqueConstraint("destination", "audience", "customer_id", "sequence"),
    sa.Index(
        "messages_one_open",
        "destination",
        "audience",
        "customer_id",
        unique=True,
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    ),
    sa.Index("messages_by_plan", "plan_id"),
    # What a plan compares with does not grow with the age of the ledger.
    sa.Index(
        "messages_present",
        "destination",
        "audience",
        sqlite_where=sa.text(PRESENT),
        postgresql_where=sa.text(PRESENT),
    ),
    sa.Index(
        "messages_refused",
        "destination",
        "state",
        "reason",
        sqlite_where=sa.text("reason is not null"),
        postgresql_where=sa.text("reason is not null"),
    ),
    sa.Index(
        "messages_by_batch",
        "batch_id",
        sqlite_where=sa.text("batch_id is not null"),
        postgresql_where=sa.text("batch_id is not null"),
    ),
    sa.Index(
        "messages_to_person",
        "customer_id",
        sqlite_where=sa.text("reaches_person"),
        postgresql_where=sa.text("reaches_person"),
    ),
    sa.Index(
        "messages_reached",
        "settled_at",
        sqlite_where=sa.text("reaches_person"),
        postgresql_where=sa.text("reaches_person"),
    ),
)


def reaching(table: NamedFromClause) -> sa.ColumnElement[Any]:
    """The messages that reach a person, in the words of their index, which are not `= 1`."""
    return sa.literal_column(f"{table.name}.reaches_person")


# One row: a person who must not be written to by a channel (`all`: by none), and why. What sources
# tell of consent, bounces and complaints is not here but in the profiles. `address` is what a
# destination said does not exist: the person may have another one.
suppressions = sa.Table(
    "suppressions",
    METADATA,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("told_by", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    one_of("channel", ("email", "sms", "push", "all")),
    one_of("reason", ("erased", "unsubscribed", "complaint", "hard_bounce")),
)

# One row: a contact of somebody in `suppressions`, by the id of who would be called after it, and
# the customer that it was. A warehouse that is built anew knows no more of them than this.
barred_contacts = sa.Table(
    "barred_contacts",
    METADATA,
    sa.Column("own_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
)

# One row is a product feed as it was last written.
product_feeds = sa.Table(
    "product_feeds",
    METADATA,
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("written_at", UtcDateTime, nullable=False),
    sa.Column("offer_count", sa.Integer, nullable=False),
    sa.Column("content_version", sa.Text, nullable=False),
)

# One row is an offer of a product feed as a vendor was last told of it.
told_offers = sa.Table(
    "told_offers",
    METADATA,
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("offer_id", sa.Text, primary_key=True),
    sa.Column("content_version", sa.Text, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
)


_LEGAL = " or ".join(
    f"(old.state = '{old}' and new.state = '{new}')"
    for old, news in TRANSITIONS.items()
    for new in news
)
_FIXED = (
    "message_key, plan_id, destination, audience, customer_id, sequence, operation, content_version"
)
# Name, moment, condition and what is said. The ledger refuses these whoever asks.
_GUARDS = (
    (
        "messages_transition",
        "before update of state",
        f"old.state <> new.state and not ({_LEGAL})",
        "a message cannot change its state so",
    ),
    (
        "messages_start",
        "before insert",
        "new.state not in ('planned', 'suppressed')",
        "a message starts as planned or suppressed",
    ),
    ("messages_fixed", f"before update of {_FIXED}", None, "what a message is does not change"),
    ("messages_kept", "before delete", None, "a message is never deleted"),
)


# A row that was settled and is not any more: what was counted of its plan does not count.
_RECOUNT = (
    "update plans set settled_sent = null, settled_suppressed = null, settled_failed = null,"
    " counted_at = null where plan_id = old.plan_id"
)


def _add_guards(connection: sa.Connection) -> None:
    """The triggers, those too that a database of an earlier version does not have yet."""
    for name, moment, condition, said in _GUARDS:
        refusal = f"select raise(abort, '{said}')"
        if connection.dialect.name == "postgresql":
            refusal = f"raise exception '{said}' using errcode = 'check_violation'"
        _add_trigger(connection, name, moment, condition, refusal)
    reopened = "old.state = 'failed' and new.state <> old.state"
    _add_trigger(connection, "messages_reopened", "after update of state", reopened, _RECOUNT)


def _add_trigger(
    connection: sa.Connection, name: str, moment: str, condition: str | None, act: str
) -> None:
    when = f"when ({condition}) " if condition else ""
    head = f"{name} {moment} on messages for each row {when}"
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"create trigger if not exists {head}begin {act}; end")
        return
    connection.exec_driver_sql(
        f"create or replace function {name}() returns trigger language plpgsql as"
        f" $$ begin {act}; return new; end $$"
    )
    connection.exec_driver_sql(f"drop trigger if exists {name} on messages")
    connection.exec_driver_sql(f"create trigger {head}execute function {name}()")


def connect(url: str) -> sa.Engine:
    """An engine for the state database; nothing is asked of it yet. `url` is a SQLAlchemy URL."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.get_backend_name() == "postgresql":
        # Parameters hold personal data: they stay out of error texts.
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
        )
    raise ConfigError(
        f"the state database cannot be {parsed.get_backend_name()}",
        mend="Use sqlite:///... or postgresql+psycopg://...",
    )


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # The driver begins no transaction by itself; `_begin_sqlite` does.
    connection.isolation_level = None
    # A ledger of a million rows is larger than the 2 MB that SQLite keeps in memory by itself.
    for pragma in ("journal_mode = wal", "foreign_keys = on", "cache_size = -65536"):
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    # NORMAL survives the death of the process, FULL a power cut too.
    level = "full" if options.get("durable") else "normal"
    connection.exec_driver_sql(f"pragma synchronous = {level}")
    # A reader that turns writer deadlocks with another; a writer says so from the start.
    connection.exec_driver_sql("begin" if options.get("reading") else "begin immediate")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that only reads; on SQLite it waits for no writer."""
    with engine.connect() as plain, plain.execution_options(reading=True) as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine, *, durable: bool = False) -> Iterator[sa.Connection]:
    """A transaction that writes: committed at the end, rolled back on an error.

    `durable` waits until the disk has it, for what must not be forgotten in a power cut.
    """
    with engine.connect() as plain:
        connection = plain.execution_options(durable=durable)
        with connection.begin():
            yield connection


def create_tables(engine: sa.Engine) -> None:
    """Create the tables, triggers and functions that are missing; safe when two do it at once."""
    try:
        if _is_complete(engine):
            return
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_265_101)))
            METADATA.create_all(connection)
            _add_columns_and_indexes(connection)
            _add_guards(connection)
    except sa.exc.OperationalError as error:
        is_file = engine.dialect.name == "sqlite"
        folder = Path(engine.url.database or "").parent if is_file else None
        mend = (
            "Let the user that runs this read and write there, and in its folder"
            if is_file
            else "Check MARKETING_PLATFORM_STATE_URL and that the server runs"
        )
        told = ConfigError(
            f"cannot open the state database: {str(error.orig).splitlines()[0]}",
            where=engine.url.render_as_string(hide_password=True),
            mend=mend,
        )
        raise (full_disk(error, folder) if folder else None) or told from None


def _is_complete(engine: sa.Engine) -> bool:
    """Whether nothing is missing; asked first, as a look does not wait for a writer."""
    with reading(engine) as connection:
        has_tables = set(METADATA.tables) <= set(sa.inspect(connection).get_table_names())
        missing = itertools.chain(_missing_columns(connection), _missing_indexes(connection))
        return has_tables and not any(True for _ in missing)


def _missing_columns(connection: sa.Connection) -> Iterator[tuple[sa.Table, sa.Column[Any]]]:
    """The columns that a database of an earlier version does not have yet."""
    inspector = sa.inspect(connection)
    for table in METADATA.sorted_tables:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        yield from ((table, column) for column in table.columns if column.name not in there)


def _missing_indexes(connection: sa.Connection) -> Iterator[sa.Index]:
    inspector = sa.inspect(connection)
    for table in METADATA.sorted_tables:
        there = {index["name"] for index in inspector.get_indexes(table.name)}
        yield from (index for index in table.indexes if index.name not in there)


def _add_columns_and_indexes(connection: sa.Connection) -> None:
    for table, column in list(_missing_columns(connection)):
        made = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"alter table {table.name} add column {made}")
    for index in list(_missing_indexes(connection)):
        index.create(connection)


def open_state(url: str) -> sa.Engine:
    """The engine of this process for the state database, with all its tables in place."""
    engine = _engine_of(url)
    seen = _shape(engine)
    if seen is None or seen not in _COMPLETE:
        create_tables(engine)
        _COMPLETE.add(_shape(engine))
    return engine


# An engine that nobody holds any more keeps its connections, and what they have read of the ledger
# (up to 64 MB each), until the garbage of its cycle is collected: a sensor that opened one at each
# tick would take a gigabyte.
_ENGINES: OrderedDict[str, tuple[object, sa.Engine]] = OrderedDict()
_MOST_ENGINES = 4
_OPENING = Lock()


def _engine_of(url: str) -> sa.Engine:
    with _OPENING:
        file, engine = _ENGINES.pop(url, (None, None))
        if engine is not None and file != _file_of(engine):
            # Another one lies there by now, as after a restore.
            engine.dispose()
            engine = None
        engine = engine or connect(url)
        _ENGINES[url] = (_file_of(engine), engine)
        while len(_ENGINES) > _MOST_ENGINES:
            _, (_, unused) = _ENGINES.popitem(last=False)
            unused.dispose()
    return engine


@atexit.register
def _close_engines() -> None:
    """What was written ahead goes into the file: who copies a ledger copies one file."""
    for _, engine in _ENGINES.values():
        engine.dispose()


def _file_of(engine: sa.Engine) -> object:
    """Which file a SQLite database is; None for a server, and where it has none yet."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    path = Path(engine.url.database)
    if not path.exists():
        return None
    found = path.stat()
    return found.st_dev, found.st_ino


# To look for what is missing costs more than most of what is asked, and every step asks.
_COMPLETE: set[object] = set()


def _shape(engine: sa.Engine) -> object:
    """What changes with the tables of a database; None where it cannot be asked."""
    asked = "pragma schema_version"
    if engine.dialect.name == "postgresql":
        asked = (
            "select count(*), max(c.oid::bigint) from pg_class as c join pg_attribute as a on"
            " a.attrelid = c.oid where c.relnamespace = current_schema()::regnamespace"
            " and not a.attisdropped"
        )
    elif not Path(engine.url.database or "").exists():
        return None
    try:
        with reading(engine) as connection:
            return engine.url, tuple(connection.exec_driver_sql(asked).one())
    except sa.exc.OperationalError:
        return None


def without_zone(moment: dt.datetime) -> dt.datetime:
    """A moment as the state database and DuckDB keep it: in UTC, which it does not say."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def utc_now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC)

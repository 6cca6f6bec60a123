"""The staging tables of a shop's sources, and how core reads them all together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import sqlglot
from sqlglot import exp

from marketing_platform.contracts import contract_of
from marketing_platform.contracts.entities import ENTITIES
from marketing_platform.contracts.staging import entity_of
from marketing_platform.errors import ConfigError
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.outcome import columns_of, with_outcome
from marketing_platform.sources.system import FOLDER
from marketing_platform.warehouse.tables import SqlTable, leading_comment, tables_read

FILES = "files"
# The streams of `files` whose staging is not named after them.
_FILE_STREAMS = {"order_lines": "orders"}
_DERIVED_FROM_ORDERS = ("orders", "order_items", "refunds")


@dataclass(frozen=True)
class Staged:
    """A staging table: its source, its entity, and the raw view whose records it judges.

    `judges` is None for a table that comes of another staging table, record by record judged there.
    `customers_of` is the source whose keys of customers it uses, where that is not its own.
    """

    table: SqlTable
    source: str
    entity: str
    judges: str | None
    customers_of: str | None = None

    @property
    def stream(self) -> str:
        """What its records are called in counts: the raw view's name, or its own if shared."""
        name = self.table.name.table
        own = name if "__" in name or self.judges is None else self.judges.partition(".")[2]
        return own.removeprefix(f"{self.source}_")


def staging_tables(settings: Settings) -> dict[str, Staged]:
    """The staging tables of all configured sources by name."""
    found = [
        *_of_files(tuple(settings.platform.sources.files)),
        *(
            replace(staged, customers_of=source.settings.customer_ids_of)
            for source in active_sources(settings)
            for staged in tables_of_source(source)
        ),
    ]
    return {str(staged.table.name): staged for staged in found}


def expand(sql: str, staged: Iterable[Staged]) -> str:
    """The select with `staging.<entity>` replaced by the accepted rows of all sources.

    `staging.records` and `raw.records` become all judged records and what they were judged from.
    """
    tables = tuple(staged)
    tree = sqlglot.parse_one(sql, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        union = _union_of(f"{table.db}.{table.name}", tables)
        if union:
            subquery = sqlglot.parse_one(union, read="duckdb")
            assert isinstance(subquery, exp.Query)  # noqa: S101 - tells the type checker
            table.replace(subquery.subquery(table.alias or table.name))
    return tree.sql("duckdb", comments=False)


def is_union(name: str) -> bool:
    """Whether a name stands for the tables of all sources together."""
    schema, _, table = name.partition(".")
    return name in ("raw.records", "staging.records") or (schema == "staging" and table in ENTITIES)


def tables_behind(name: str, staged: Iterable[Staged]) -> tuple[str, ...]:
    """The tables that a name of a union stands for; any other name stands for itself."""
    union = _union_of(name, tuple(staged))
    return tables_read(union) if union else (name,)


def _union_of(name: str, staged: tuple[Staged, ...]) -> str | None:
    if not is_union(name):
        return None
    if name == "raw.records":
        return _union([_raw_records(one) for one in staged if one.judges], _RAW_RECORD)
    if name == "staging.records":
        return _union([_staging_records(one) for one in staged if one.judges], _STAGING_RECORD)
    entity = name.partition(".")[2]
    columns = {name: column.duckdb_type for name, column in ENTITIES[entity].items()}
    has_contact = "source_contact_id" in columns
    contact = {"contact_id": "VARCHAR"} if has_contact else {}
    selects = [
        f"select '{one.source}' as source, record_id, {', '.join(columns)}"
        f"{f', {_contact_id(one, columns)} as contact_id' if has_contact else ''}"
        f" from {one.table.name} where outcome = 'accepted'"
        for one in staged
        if one.entity == entity
    ]
    return _union(selects, {"source": "VARCHAR", "record_id": "VARCHAR", **columns, **contact})


def _contact_id(staged: Staged, columns: Mapping[str, str]) -> str:
    """Whom a row is about, as a key of core: a contact of the source, or a guest by e-mail.

    Who is only written to by phone is known by it; an order's phone is no key, for a household or a
    till may share it.
    """
    source, keys = staged.source, staged.customers_of or staged.source
    known = f"when source_contact_id is not null then '{keys}:' || source_contact_id"
    guest = (
        f" when nullif(trim(email), '') is not null then '{source}:email:' || lower(trim(email))"
        if "email" in columns
        else ""
    )
    called = (
        f" when nullif(trim(phone), '') is not null then '{source}:phone:' || trim(phone)"
        if "channel" in columns
        else ""
    )
    return f"case {known}{guest}{called} end"


def _union(selects: list[str], columns: Mapping[str, str]) -> str:
    if selects:
        return " union all ".join(selects)
    nulls = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in columns.items())
    return f"select {nulls} where false"


_RAW_RECORD = {
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "record_id": "VARCHAR",
    "line_number": "BIGINT",
    "payload": "VARCHAR",
    "amount": "DECIMAL(18, 2)",
}
_STAGING_RECORD = {
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "record_id": "VARCHAR",
    "received_date": "DATE",
    "outcome": "VARCHAR",
    "quarantine_reason": "VARCHAR",
    "amount": "DECIMAL(18, 2)",
}


def _raw_records(staged: Staged) -> str:
    is_file = staged.source == FILES
    has_amount = staged.entity == "order_lines"
    return (
        f"select '{staged.source}' as source, '{staged.stream}' as stream, record_id,"
        f" {'line_number' if is_file else 'cast(null as bigint)'} as line_number, payload,"
        f" {'coalesce(quantity * unit_price, amount)' if has_amount else _NO_AMOUNT} as amount"
        f" from {staged.judges}"
    )


def _staging_records(staged: Staged) -> str:
    amount = "line_amount" if staged.entity == "order_lines" else _NO_AMOUNT
    return (
        f"select '{staged.source}' as source, '{staged.stream}' as stream, record_id,"
        f" received_date, outcome, quarantine_reason, {amount} as amount from {staged.table.name}"
    )


_NO_AMOUNT = "cast(null as decimal(18, 2))"


@cache
def _of_files(streams: tuple[str, ...]) -> tuple[Staged, ...]:
    found = []
    for path in sorted((FOLDER / FILES).glob("*.sql")):
        stream = _FILE_STREAMS.get(path.stem, path.stem)
        is_derived = path.stem in _DERIVED_FROM_ORDERS
        if ("orders" if is_derived else stream) not in streams:
            continue
        text = path.read_text(encoding="utf-8")
        judges = None if is_derived else f"raw.{FILES}_{stream}"
        found.append(_staged(path.stem, FILES, text, leading_comment(text), judges))
    return tuple(found)


def tables_of_source(source: ActiveSource) -> tuple[Staged, ...]:
    """The staging tables of a system: those whose raw view comes of a stream that is pulled.

    Raises `ConfigError` where records that are pulled cannot be read without those of a stream that
    is not.
    """
    lists = tuple(
        (source.raw_name(stream.name), tuple(source.raw_name(items.name) for items in stream.items))
        for stream in source.streams
    )
    return _of_system(source.name, source.system.staging or source.system.name, lists)


@cache
def _of_system(
    name: str, folder: str, lists: tuple[tuple[str, tuple[str, ...]], ...]
) -> tuple[Staged, ...]:
    """The tables of a folder for a source of that name; `lists` has the raw views of each stream.

    Reading the SQL takes a second where there are many systems, and every command and sensor asks.
    """
    parents = {items: stream for stream, own in lists for items in own}
    pulled = {stream for stream, _ in lists} | set(parents)
    files = {
        path.stem: _renamed(path.read_text(encoding="utf-8"), folder, name)
        for path in sorted((FOLDER / folder).glob("*.sql"))
    }
    judges = {stem: _first_read(text) for stem, text in files.items()}
    found = []
    for stem, text in files.items():
        if missing := sorted(set(_raw_reads(text)) - pulled):
            if judges[stem] in pulled:
                views = (parents.get(judges[stem], judges[stem]), missing[0])
                read, needed = (view.removeprefix(f"raw.{name}_") for view in views)
                raise ConfigError(
                    f"{read} is read together with {needed}",
                    where=f"sources.{name}.streams",
                    mend=f"Add {needed}, or leave out {read}",
                )
            continue
        parent = next((s for s in files if judges[s] == parents.get(judges[stem])), None)
        parent_table = f"staging.{name}_{parent}" if parent else None
        wrapped = with_outcome(text, parent=parent_table)
        found.append(_staged(stem, name, wrapped, leading_comment(text), judges[stem]))
    return tuple(found)


def _staged(stem: str, source: str, sql: str, comment: str, judges: str | None) -> Staged:
    name = TableName("staging", f"{source}_{stem}")
    shaped = _shaped(sql, name)
    table = SqlTable(name, shaped, comment, tables_read(shaped))
    return Staged(table, source, entity_of(str(name)), judges)


def _shaped(sql: str, name: TableName) -> str:
    """The select with the columns of the contract and no others: a typed null where it has none."""
    given = set(columns_of(sql))
    columns = ", ".join(
        f"cast({f'shaped.{column_name}' if column_name in given else 'null'}"
        f" as {column.duckdb_type}) as {column_name}"
        for column_name, column in contract_of(str(name)).columns.items()
    )
    return f"select {columns} from (\n{sql}\n) as shaped"


def _renamed(text: str, folder: str, name: str) -> str:
    """The SQL of a system with the names of a source that is called otherwise."""
    if name == folder:
        return text
    for schema in ("raw", "staging"):
        text = text.replace(f"{schema}.{folder}_", f"{schema}.{name}_")
    return text


def _first_read(text: str) -> str:
    """The raw view whose records a select judges: the first one that it reads from."""
    query: exp.Expr | None = sqlglot.parse_one(text, read="duckdb")
    named = {cte.alias: cte.this for cte in query.find_all(exp.CTE)} if query else {}
    while query and (first := query.find(exp.From)):
        place = first.this
        if isinstance(place, exp.Table) and place.db:
            return f"{place.db}.{place.name}"
        query = named.get(place.name) if isinstance(place, exp.Table) else place.this
    return ""


def _raw_reads(text: str) -> list[str]:
    return [name for name in tables_read(text) if name.startswith("raw.")]

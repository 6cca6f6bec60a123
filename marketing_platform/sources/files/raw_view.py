"""The select behind `raw.files_<stream>`: the records of the lake, their fields typed."""

from __future__ import annotations

from collections.abc import Mapping

from babel.numbers import is_currency
from sqlglot import exp

from marketing_platform.lake import Stream
from marketing_platform.settings import Shop
from marketing_platform.sources.files.fields import STREAMS, Field, StreamFields
from marketing_platform.sources.files.mapping import Column, timezone_of
from marketing_platform.sources.files.parsing import (
    call,
    filled,
    literal,
    local_date,
    parsed,
    says_nothing,
)

SOURCE = "files"
# No line of an order is worth more; what is, is a slip of the keyboard.
_MOST_MONEY = "1e13"


def view_select(
    fields: StreamFields,
    mappings: Mapping[str, Mapping[str, Column]],
    source: Stream,
    shop: Shop,
) -> str:
    """The select behind `raw.files_<stream>`, in DuckDB's SQL.

    Each record is read by the mapping of the export that brought it: exports name and write their
    columns differently.
    """
    # Several tables read a view, and each has it made; what it is made of seldom changes.
    has_days = bool(source.days())
    made_of = (fields.stream, str(mappings), source.pattern, has_days, str(shop))
    if made_of not in _SELECTS:
        _SELECTS[made_of] = _view_select(fields, mappings if has_days else None, source, shop)
    return _SELECTS[made_of]


_SELECTS: dict[object, str] = {}


def _view_select(
    fields: StreamFields,
    mappings: Mapping[str, Mapping[str, Column]] | None,
    source: Stream,
    shop: Shop,
) -> str:
    if mappings is None:
        return _select(fields, {}, shop).from_(_nothing()).sql("duckdb")
    selects = [
        _select(fields, columns, shop).from_(
            _records(fields, columns, source, key if len(mappings) > 1 else None)
        )
        for key, columns in mappings.items()
    ]
    return " union all ".join(select.sql("duckdb") for select in selects)


def raw_columns() -> dict[str, dict[str, str]]:
    """The columns of every view `raw.files_<stream>` with their DuckDB types."""
    return {
        f"raw.{SOURCE}_{stream}": {
            **_RECORD,
            **{field.name: _TYPES[field.kind] for field in fields.fields},
            "local_date": "DATE",
            "unreadable": "VARCHAR",
        }
        for stream, fields in STREAMS.items()
    }


def _select(fields: StreamFields, columns: Mapping[str, Column], shop: Shop) -> exp.Select:
    mapped = _mapped(fields, columns)
    values = {field.name: _value(mapped.index(field) + 1) for field in mapped}
    typed = {
        field.name: parsed(
            field.kind,
            columns[field.name].parse,
            values[field.name],
            timezone_of(columns[field.name], shop.timezone),
        )
        for field in mapped
    }
    if fields.stream == "orders":
        _settle_quantity(typed)
    unreadable = _unreadable(mapped, typed, values)
    if fields.group in typed and any(column.is_total for column in columns.values()):
        typed["amount"] = _part_of_total(typed["amount"], typed[fields.group])
    for name, column in columns.items():
        if column.is_shared:
            typed[name] = filled(typed[name], typed[fields.group])
    if "full_name" in typed:
        _split_name(typed)
    select = exp.select(*_RECORD)
    for field in fields.fields:
        value = typed.get(field.name, _null(field))
        if field.name == "currency":
            value = call(
                "coalesce", call("upper", value), literal(_currency(mapped, columns, shop))
            )
        select = select.select(value.copy().as_(field.name))
    clock = next(field for field in fields.fields if field.name == fields.clock)
    moment = typed.get(clock.name, _null(clock))
    select = select.select(local_date(moment.copy(), shop.timezone).as_("local_date"))
    return select.select(unreadable.as_("unreadable"))


def _currency(mapped: list[Field], columns: Mapping[str, Column], shop: Shop) -> str:
    """The currency of records that do not say theirs: that of a header, or the shop's."""
    units = (columns[field.name].unit for field in mapped if field.kind == "number")
    return next((unit for unit in units if is_currency(unit)), shop.currency)


def _mapped(fields: StreamFields, columns: Mapping[str, Column]) -> list[Field]:
    return [field for field in fields.fields if field.name in columns]


def _records(
    fields: StreamFields, columns: Mapping[str, Column], source: Stream, key: str | None
) -> exp.Subquery:
    """The records that one mapping reads, with the texts of its columns as the list `v`."""
    pointers = [literal(columns[field.name].pointer) for field in _mapped(fields, columns)]
    texts = call("json_extract_string", exp.column("payload"), exp.Array(expressions=pointers))
    records = exp.select("*", texts.as_("v")).from_(call("read_parquet", literal(source.pattern)))
    if key is not None:
        records = records.where(exp.column("mapping").eq(literal(key)))
    return records.subquery("records")


def _settle_quantity(typed: dict[str, exp.Expression]) -> None:
    price, quantity = typed.get("unit_price"), typed.get("quantity")
    if price is None:
        return
    if quantity is None:
        # A list of prices without a quantity has a line for each piece.
        typed["quantity"] = exp.Cast(
            this=exp.Literal.number(1), to=exp.DataType.build(_TYPES["integer"])
        )
        return
    worth = exp.Mul(this=_double(quantity), expression=_double(price))
    is_sane = exp.LT(
        this=call("coalesce", call("abs", worth), exp.Literal.number(0)),
        expression=exp.Literal.number(_MOST_MONEY),
    )
    typed["quantity"] = exp.Case(ifs=[exp.If(this=is_sane, true=quantity.copy())])


def _split_name(typed: dict[str, exp.Expression]) -> None:
    """Of a name in one text the first word is the given name; `Lovelace, Ada` is turned round.

    Where the file has a given name, and no family name, this is what the name has besides.
    """
    has_family_name = "last_name" in typed
    names = {name: typed.get(name, exp.null()) for name in ("first_name", "last_name")}
    turned = literal(r"^([^,]+), *(.+)$"), literal(r"\2 \1")
    whole = call("trim", call("regexp_replace", typed["full_name"].copy(), *turned))
    parts = {"first_name": (r"^\S+", 0), "last_name": (r"^\S+\s+(.+)$", 1)}
    is_untold = call("coalesce", *(name.copy() for name in names.values())).is_(exp.null())
    for name, (pattern, group) in parts.items():
        part = call("regexp_extract", whole.copy(), literal(pattern), exp.Literal.number(group))
        typed[name] = exp.Case(
            ifs=[exp.If(this=is_untold.copy(), true=call("nullif", part, literal("")))],
            default=names[name].copy(),
        )
    if not has_family_name:
        given = call("concat", call("lower", names["first_name"].copy()), literal(" "))
        named = call("concat", call("lower", whole.copy()), literal(" "))
        begin = exp.Add(this=call("length", given.copy()), expression=exp.Literal.number(1))
        rest = exp.Case(
            ifs=[
                exp.If(
                    this=call("starts_with", named, given),
                    true=call("substr", whole.copy(), begin),
                )
            ],
            default=whole.copy(),
        )
        typed["last_name"] = exp.Case(
            ifs=[exp.If(this=is_untold.copy(), true=typed["last_name"])],
            default=call("nullif", call("trim", rest), literal("")),
        )


def _part_of_total(total: exp.Expression, group: exp.Expression) -> exp.Expression:
    """What a record has of the total that each of its group says; the first has the odd cents."""
    together = [group.copy(), total.copy()]
    is_first_of_its_kind = exp.column("occurrence").eq(exp.Literal.number(1))
    count = exp.Window(
        this=exp.Filter(
            this=exp.Count(this=exp.Star()), expression=exp.Where(this=is_first_of_its_kind)
        ),
        partition_by=together,
    )
    place = exp.Window(
        this=exp.RowNumber(),
        partition_by=[one.copy() for one in together],
        order=exp.Order(expressions=[exp.column("occurrence"), exp.column("line_number")]),
    )
    part = call("round", exp.Div(this=total.copy(), expression=count), exp.Literal.number(2))
    rest = exp.Mul(
        this=part.copy(),
        expression=exp.Paren(this=exp.Sub(this=count.copy(), expression=exp.Literal.number(1))),
    )
    is_alone = exp.or_(group.copy().is_(exp.null()), total.copy().is_(exp.null()))
    shares = exp.Case(
        ifs=[
            exp.If(this=is_alone, true=total.copy()),
            exp.If(
                this=place.eq(exp.Literal.number(1)),
                true=exp.Sub(this=total.copy(), expression=rest),
            ),
        ],
        default=part,
    )
    return exp.Cast(this=shares, to=exp.DataType.build(_TYPES["number"]))


def _double(value: exp.Expression) -> exp.Expression:
    return exp.Cast(this=value.copy(), to=exp.DataType.build("DOUBLE"))


def _value(position: int) -> exp.Expression:
    return exp.Bracket(this=exp.column("v"), expressions=[exp.Literal.number(position)], offset=1)


_RECORD = {
    "record_id": "VARCHAR",
    "occurrence": "BIGINT",
    "line_number": "BIGINT",
    "received_at": "TIMESTAMP",
    "received_date": "DATE",
    "payload": "VARCHAR",
}
_TYPES = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "person": "VARCHAR",
    "email": "VARCHAR",
    "phone": "VARCHAR",
    "number": "DECIMAL(18, 4)",
    "discount": "DECIMAL(18, 4)",
    "integer": "BIGINT",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "birthday": "DATE",
    "postcode": "VARCHAR",
    "flag": "BOOLEAN",
    "mark": "BOOLEAN",
}


def _null(field: Field) -> exp.Expression:
    return exp.Cast(this=exp.null(), to=exp.DataType.build(_TYPES[field.kind]))


def _unreadable(
    mapped: list[Field], typed: dict[str, exp.Expression], values: dict[str, exp.Expression]
) -> exp.Expression:
    """Names of the fields that have a text but no readable value, joined by commas; else null."""
    cases = [
        exp.Case(
            ifs=[
                exp.If(
                    this=exp.and_(
                        typed[field.name].copy().is_(exp.null()),
                        exp.Not(this=says_nothing(values[field.name].copy())),
                    ),
                    true=literal(field.name),
                )
            ]
        )
        for field in mapped
        # Where a birthday or a discount cannot be read the rest still counts.
        if field.kind in ("number", "integer", "timestamp", "date")
    ]
    return call("nullif", call("concat_ws", literal(", "), exp.null(), *cases), literal(""))


def _nothing() -> exp.Subquery:
    columns = (
        exp.Cast(this=exp.null(), to=exp.DataType.build(kind)).as_(name)
        for name, kind in _RECORD.items()
    )
    return exp.select(*columns).where(exp.false()).subquery("records")

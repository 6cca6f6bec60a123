"""What the columns of a file of people are about, by their headers and a look at their values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping

import polars as pl

from marketing_platform.sources.files.person_headers import PERSON_HEADERS

# By role, in the order in which they are shown; the first that the file has wins. Where somebody
# was born tells people apart as well as where they live.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "first_name": PERSON_HEADERS["first_name"],
    "middle_name": (
        *("middle_name", "middlename", "second_name", "middle_initial", "midl_name", "mname"),
    ),
    "last_name": PERSON_HEADERS["last_name"],
    "name_suffix": ("name_suffix", "suffix", "name_sufx", "generation"),
    "full_name": (*PERSON_HEADERS["full_name"], "first_and_surname", "first_and_last_name"),
    "birth_date": (*PERSON_HEADERS["birth_date"], "born", "birth_year", "year_of_birth"),
    "gender": ("gender", "sex", "geschlecht", "sexe", "sexo"),
    **{role: PERSON_HEADERS[role] for role in ("email", "phone", "street")},
    "city": (*PERSON_HEADERS["city"], "place", "birth_place", "place_of_birth", "birthplace"),
    **{role: PERSON_HEADERS[role] for role in ("postcode", "region", "country")},
}
# What tells something about a value rather than the value.
_ABOUT = {"id", "type", "consent", "opt", "optin", "status", "verified", "valid", "count", "flag"}
# Words that make another thing of the header of a street: `street_number`, `email_address_1`.
_NO_STREET = {"number", "no", "nr", "num", "direction", "unit", "email", "mail", "ip", "web"}
# What most values of a role have in them; asked where the header says more than the role.
_LOOKS: Mapping[str, str] = {
    **dict.fromkeys(("first_name", "last_name", "street", "city", "country"), r"\p{L}"),
    **dict.fromkeys(("birth_date", "postcode"), r"\d"),
    "email": "@",
    "phone": r"(\d\D*){6}",
}
_SAMPLE_SIZE = 1_000


def recognised(records: pl.DataFrame, told: Collection[str]) -> dict[str, str]:
    """For each role that is not told the column of it, if there is one.

    A header may say it with words more, such as `billing_zip` or `full_phone_num`, where no other
    says it plainly. A whole name counts where it does not stand in parts as well.
    """
    headers = {column: _words(column) for column in records.columns}
    plain = {header: column for column, header in reversed(headers.items())}
    found = {
        role: next(plain[name] for name in names if name in plain)
        for role, names in HEADERS.items()
        if role not in told and any(name in plain for name in names)
    }
    loose = [
        (*said, place, column)
        for place, (column, header) in enumerate(headers.items())
        if column not in found.values() and (said := _said_by(header))
    ]
    for _, role, _, column in sorted(loose):
        if role not in found and role not in told and _looks_like(records[column], role):
            found[role] = column
    parts = {"first_name", "last_name"} & {*found, *told}
    if "full_name" in found and parts == {"first_name"} and "first_name" not in told:
        # `Name, Vorname`: what stands beside a given name is the family name, unless it has both.
        if _holds(records[found["full_name"]], records[found["first_name"]]):
            del found["first_name"]
        else:
            found["last_name"] = found.pop("full_name")
    elif "full_name" in found and parts:
        del found["full_name"]
    return {role: found[role] for role in HEADERS if role in found}


def _words(header: str) -> str:
    """A header in lower case without accents, its words joined by `_`."""
    letters = unicodedata.normalize("NFKD", header.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", letters).strip("_")


def _said_by(header: str) -> tuple[int, str] | None:
    """What a header of more words is about: how far from plainly it says so, and the role.

    It is about what it ends with, before what it begins with: `address_zip` is a postcode.
    """
    words = set(header.split("_"))
    said = [
        (place, -len(name), role)
        for role, names in HEADERS.items()
        if role != "full_name" and not words & (_NO_STREET if role == "street" else set())
        for name in names
        for place, is_there in enumerate(
            (header.endswith(f"_{name}"), header.startswith(f"{name}_"), f"_{name}_" in header)
        )
        if is_there
    ]
    if not said or words & _ABOUT:
        return None
    place, _, role = min(said)
    return place, role


def _holds(names: pl.Series, parts: pl.Series) -> bool:
    """Whether most of the names have the part beside them in them."""
    both = pl.DataFrame({"name": names, "part": parts}).drop_nulls().head(_SAMPLE_SIZE)
    is_in = (
        pl.col("name")
        .str.to_lowercase()
        .str.contains(pl.col("part").str.strip_chars().str.to_lowercase(), literal=True)
    )
    return 2 * both.filter(is_in).height > both.height


def _looks_like(values: pl.Series, role: str) -> bool:
    """Whether most of the values can be what their header says; of no values it is believed."""
    known = values.drop_nulls().head(_SAMPLE_SIZE)
    known = known.filter(known.str.strip_chars() != "")
    if role not in _LOOKS or known.is_empty():
        return True
    return 2 * int(known.str.contains(_LOOKS[role]).sum()) > known.len()

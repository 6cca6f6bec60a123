"""`core.countries`, `core.country_names` and `core.language_names`: what codes and names mean.

Everything comes from CLDR (Babel) and from Google's phone metadata (phonenumbers), so that
countries and languages as they came become codes, and phones E.164, by joins.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl
from babel import Locale
from babel.core import get_global
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    parse,
    region_code_for_number,
)
from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

from marketing_platform.contracts import CONTRACTS
from marketing_platform.country_codes import NOT_ISO, country_codes
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse

# The first language that knows a name decides what it means.
# fmt: off
_LANGUAGES = (
    "en", "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "sk",
    "hu", "ro", "bg", "hr", "sl", "sr", "et", "lv", "lt", "el", "uk", "tr", "ga", "ca", "is",
)
# fmt: on
# Codes that CLDR keeps for countries that changed their name or their code.
_FORMER_ALPHA_3 = {"BUR", "DDR", "FXX", "PUS", "ROM", "TMP", "YMD", "ZAR"}
# Undetermined, none, several, and those without a code.
_NOT_LANGUAGES = {"und", "zxx", "mul", "mis", "root"}
_VARIANTS = {
    "america": "US",
    "u.s.": "US",
    "u.s.a.": "US",
    "united states of america": "US",
    "the united states": "US",
    "u.k.": "GB",
    "great britain": "GB",
    "britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "cymru": "GB",
    "northern ireland": "GB",
    "eire": "IE",
    "republic of ireland": "IE",
    "rsa": "ZA",
    "republic of south africa": "ZA",
    "uae": "AE",
    "u.a.e.": "AE",
    "brd": "DE",
    "holland": "NL",
    "the netherlands": "NL",
    "czech republic": "CZ",
    "turkey": "TR",
    "russian federation": "RU",
    "korea": "KR",
    "republic of korea": "KR",
    "korea, republic of": "KR",
    "hong kong": "HK",
    "macao": "MO",
    "macau": "MO",
    "viet nam": "VN",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "burma": "MM",
    "macedonia": "MK",
    "moldova, republic of": "MD",
    "iran, islamic republic of": "IR",
    "syrian arab republic": "SY",
    "tanzania, united republic of": "TZ",
    "venezuela, bolivarian republic of": "VE",
    "bolivia, plurinational state of": "BO",
    "taiwan, province of china": "TW",
    "palestine": "PS",
    "brunei darussalam": "BN",
    "holy see": "VA",
    "el": "GR",
}


def build_countries(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the countries; the shop's own is marked."""
    home = settings.platform.shop.country
    alpha_3 = _alpha_3()
    rows = [
        {
            "country": c,
            "alpha_3": alpha_3.get(c),
            "is_shop_country": c == home,
            "timezone": _timezone(c),
            **_phones(c),
        }
        for c in country_codes()
    ]
    return warehouse.replace("core.countries", _frame("core.countries", rows))


def build_country_names(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the names of countries."""
    rows: list[dict[str, object]] = [
        {"name": name, "country": country} for name, country in country_names().items()
    ]
    return warehouse.replace("core.country_names", _frame("core.country_names", rows))


def build_language_names(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the names of languages."""
    rows: list[dict[str, object]] = [
        {"name": name, "language": language} for name, language in language_names().items()
    ]
    return warehouse.replace("core.language_names", _frame("core.language_names", rows))


@cache
def _timezone(country: str) -> str | None:
    """The time zone of the country, where the clocks show the same everywhere in it."""
    zones = zones_of(country)
    moments = [dt.datetime(2026, month, 15) for month in (1, 7)]
    offsets = {tuple(ZoneInfo(z).utcoffset(moment) for moment in moments) for z in zones}
    return zones[0] if len(offsets) == 1 else None


@cache
def zones_of(country: str) -> tuple[str, ...]:
    """The time zones of a country (ISO 3166-1 alpha-2), by name; none where it is not known."""
    return tuple(sorted(get_global("territory_zones").get(country, ())))


def country_of_phone(phone: str) -> str | None:
    """The country (ISO 3166-1 alpha-2) of a phone in E.164; None where it is of none."""
    try:
        return region_code_for_number(parse(phone))
    except NumberParseException:
        return None


@cache
def country_names() -> Mapping[str, str]:
    """Country by name in lower case: codes, common variants, and names in European languages."""
    names = {code.lower(): code for code in country_codes()}
    aliases = get_global("territory_aliases")
    for alias, (country, *others) in aliases.items():
        if re.fullmatch("[A-Z]{3}|UK", alias) and not others and country in country_codes():
            names.setdefault(alias.lower(), country)
    for name, country in _VARIANTS.items():
        names.setdefault(name, country)
    return names | {
        name: country
        for name, country in _names_in(_LANGUAGES, "territories", country_codes()).items()
        if name not in names
    }


@cache
def language_names() -> Mapping[str, str]:
    """Language (ISO 639) by code or name in lower case, the names in European languages."""
    known = {str(code) for code in Locale("en").languages}
    codes = {code for code in known if re.fullmatch("[a-z]{2,3}", code)} - _NOT_LANGUAGES
    names = {code: code for code in codes} | {
        str(alias): str(language)
        for alias, language in get_global("language_aliases").items()
        if re.fullmatch("[a-z]{2,3}", str(alias)) and language in codes
    }
    written = _names_in((*_LANGUAGES, *_own(codes)), "languages", codes)
    return {**written, **names}


def _own(codes: Iterable[str]) -> tuple[str, ...]:
    """The common languages in which a person writes the name of their own language."""
    common = {"ar", "bn", "fa", "he", "hi", "id", "ja", "ko", "ms", "ru", "th", "ur", "vi", "zh"}
    return tuple(sorted(common & set(codes)))


def _names_in(languages: Iterable[str], kind: str, codes: Iterable[str]) -> dict[str, str]:
    wanted = set(codes)
    names: dict[str, str] = {}
    for language in languages:
        known: Mapping[str, str] = getattr(Locale.parse(language), kind)
        for code, name in known.items():
            if code in wanted:
                names.setdefault(name.lower(), code)
    return names


@cache
def _alpha_3() -> Mapping[str, str]:
    return {
        countries[0]: alias
        for alias, countries in sorted(get_global("territory_aliases").items())
        if re.fullmatch("[A-Z]{3}", alias) and len(countries) == 1 and alias not in _FORMER_ALPHA_3
    }


def _phones(country: str) -> dict[str, object]:
    """How phones of a country are dialled, and how long those of persons are."""
    metadata = PhoneMetadata.metadata_for_region(country, None)
    if metadata is None:
        return {"is_main_of_calling_code": False}
    lengths = [length for kind in _kinds(metadata) for length in kind.possible_length]
    dialled = metadata.preferred_international_prefix or metadata.international_prefix or ""
    # `8~10` is 8, a second tone, 10. A pattern is not a prefix; `00` stands in for it.
    prefix = dialled.replace("~", "")
    return {
        "calling_code": str(metadata.country_code),
        "is_main_of_calling_code": _is_main(country, metadata),
        "trunk_prefix": metadata.national_prefix,
        "international_prefix": prefix if prefix.isdigit() else "00",
        "minimum_length": min(lengths),
        "maximum_length": max(lengths),
    }


def _kinds(metadata: PhoneMetadata) -> list[PhoneNumberDesc]:
    kinds = (metadata.fixed_line, metadata.mobile, metadata.voip, metadata.personal_number)
    known = [kind for kind in kinds if kind and any(length > 0 for length in kind.possible_length)]
    general = metadata.general_desc
    return known or ([general] if general else [])


def _is_main(country: str, metadata: PhoneMetadata) -> bool:
    regions = set(COUNTRY_CODE_TO_REGION_CODE[metadata.country_code or 0]) - NOT_ISO
    return bool(metadata.main_country_for_code) or regions == {country}


def _frame(table: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in CONTRACTS[table].columns.items()}
    return pl.DataFrame(rows, schema=schema)


TABLES = (
    PythonTable(
        TableName("core", "countries"),
        "One row is a country: its ISO 3166-1 codes and how its phones are dialled.",
        (),
        build_countries,
    ),
    PythonTable(
        TableName("core", "country_names"),
        "One row is a name or code of a country, in lower case.",
        (),
        build_country_names,
    ),
    PythonTable(
        TableName("core", "language_names"),
        "One row is a name or code of a language, in lower case.",
        (),
        build_language_names,
    ),
)

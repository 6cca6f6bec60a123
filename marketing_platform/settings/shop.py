"""The shop, and the systems that its data comes from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from babel.core import get_global
from babel.numbers import is_currency
from pydantic import ConfigDict, Field, field_validator

from marketing_platform.country_codes import country_codes
from marketing_platform.settings.group import Group


class Shop(Group):
    """The shop itself: its name, time zone (IANA) and reporting currency (ISO 4217).

    `country` (ISO 3166-1 alpha-2) is where a phone without a country is taken to be from.
    """

    name: str = "My shop"
    timezone: str = "UTC"
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            is_known = bool(ZoneInfo(name)) and name != "localtime"
        except (ZoneInfoNotFoundError, ValueError, OSError):
            is_known = False
        if not is_known:
            near = difflib.get_close_matches(name, available_timezones(), n=1)
            raise ValueError(f"no time zone: {name!r}" + (f", perhaps {near[0]}" if near else ""))
        return name

    @field_validator("currency")
    @classmethod
    def _currency_is_known(cls, code: str) -> str:
        if not is_currency(code):
            raise ValueError(f"no currency (ISO 4217): {code!r}")
        return code

    @field_validator("country")
    @classmethod
    def _country_is_known(cls, code: str | None) -> str | None:
        if code is not None and code not in country_codes():
            known = get_global("territory_aliases").get(code)
            near = f", perhaps {known[0]}" if known else ""
            raise ValueError(f"no country (ISO 3166): {code!r}{near}")
        return code


class Rates(Group):
    """Exchange rates: the ECB's CSV as it comes, or a file of `date,currency,rate`."""

    file: Path | None = None


class FileStream(Group):
    """One export file of the `files` source.

    `mapping` is field -> column of the file, for what the header does not tell; `date_format` a
    strptime format for its dates, for where the values do not tell.
    """

    path: Path
    mapping: dict[str, str] = Field(default_factory=dict)
    date_format: str | None = None


class Sources(Group):
    """The systems that data comes from.

    `files` are exports. Every other name is a system that is pulled: what stands under it is
    checked by the system itself, see `sources.active`. It is kept out of `repr`, as it has secrets.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    def __repr__(self) -> str:
        return f"Sources(files={self.files!r}, systems={sorted(self.systems)})"

    @property
    def systems(self) -> Mapping[str, Any]:
        """The settings of each system by its name, as they stand in the file, resolved."""
        return self.__pydantic_extra__ or {}

    files: dict[
        Literal["orders", "contacts", "products", "events", "ad_performance"], FileStream
    ] = Field(default_factory=dict)

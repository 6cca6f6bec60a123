"""One typed `Settings`, read from `config/platform.yaml`, the data folder and the environment.

`${NAME}` in a value is replaced by the environment variable NAME, `${file:PATH}` by the content of
a secret file. Secrets must be written so: a token that stands in the file itself is refused.
"""

from __future__ import annotations

import datetime as dt
import difflib
import importlib
import json
import os
import pkgutil
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import yaml
from babel.core import get_global
from babel.numbers import is_currency
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from marketing_platform.country_codes import country_codes
from marketing_platform.errors import ConfigError
from marketing_platform.mistakes import first_mistake
from marketing_platform.names import GOLDEN_ATTRIBUTES

DATA_DIR_VARIABLE = "MARKETING_PLATFORM_DATA_DIR"
CONFIG_DIR_VARIABLE = "MARKETING_PLATFORM_CONFIG_DIR"
STATE_URL_VARIABLE = "MARKETING_PLATFORM_STATE_URL"
DAGSTER_URL_VARIABLE = "MARKETING_PLATFORM_DAGSTER_URL"
DEFAULT_SHOP = "shop"
_REFERENCE = re.compile(r"\$\{(?:(file):)?([^}]+)\}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shop(_Model):
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


class Rates(_Model):
    """Exchange rates: the ECB's CSV as it comes, or a file of `date,currency,rate`."""

    file: Path | None = None


class FileStream(_Model):
    """One export file of the `files` source.

    `mapping` is field -> column of the file, for what the header does not tell; `date_format` a
    strptime format for its dates, for where the values do not tell.
    """

    path: Path
    mapping: dict[str, str] = Field(default_factory=dict)
    date_format: str | None = None


class Sources(_Model):
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


IdentifierKind = Literal["email", "phone", "loyalty", "card"]
Rule = Literal["most_recent", "most_trusted", "most_frequent"]


class Linkage(_Model):
    """Whether people without a shared identifier are compared by name, address and birth date.

    Pairs of at least `review_above` are listed; pairs of at least `merge_above` are also merged,
    where it is given.
    """

    is_enabled: bool = False
    review_above: float = Field(default=0.9, gt=0, lt=1)
    merge_above: float | None = Field(default=None, ge=0.95, lt=1)


class Identity(_Model):
    """What ties contacts together, and when a new mapping is held.

    An identifier that more contacts share than `shared_by` says ties nobody. A customer of more
    than `largest_customer` contacts is held back for review. A mapping that merges or splits a
    larger share of the customers than these is not published until a person accepts it; shops with
    fewer customers than `judged_from` are not judged. `trusted_sources` are the most trusted first.
    """

    shared_by: dict[IdentifierKind, int] = Field(
        default={"email": 30, "phone": 12, "loyalty": 12, "card": 6}
    )
    largest_customer: int = Field(default=100, ge=2)
    most_merged_share: float = Field(default=0.05, ge=0, le=1)
    most_split_share: float = Field(default=0.02, ge=0, le=1)
    judged_from: int = Field(default=200, ge=0)
    linkage: Linkage = Field(default_factory=Linkage)
    rules: dict[str, Rule] = Field(default_factory=dict)
    trusted_sources: tuple[str, ...] = ()

    @field_validator("shared_by")
    @classmethod
    def _all_kinds(cls, given: dict[IdentifierKind, int]) -> dict[IdentifierKind, int]:
        if any(limit < 1 for limit in given.values()):
            raise ValueError("an identifier is shared by one contact at least")
        return {**cls.model_fields["shared_by"].default, **given}

    @field_validator("rules")
    @classmethod
    def _known_attributes(cls, rules: dict[str, Rule]) -> dict[str, Rule]:
        if unknown := sorted(set(rules) - set(GOLDEN_ATTRIBUTES)):
            known = ", ".join(GOLDEN_ATTRIBUTES)
            raise ValueError(f"no attribute {unknown[0]!r}; there are: {known}")
        return rules


class Predictions(_Model):
    """What is predicted, and how far ahead."""

    purchase_horizon_days: int = Field(default=14, ge=1, le=365)
    churn_horizon_days: int = Field(default=30, ge=1, le=365)
    # A buyer is active, and so can churn, for this many days after a purchase.
    active_days: int = Field(default=90, ge=7, le=730)
    # In place of the days: for so many of the buyer's typical gaps.
    active_gaps: float | None = Field(default=None, ge=1, le=20)
    minimum_history_days: int = Field(default=60, ge=14)
    training_origins: int = Field(default=8, ge=1, le=52)
    # A model is trained again after so many days, or as soon as these settings change.
    retrain_days: int = Field(default=7, ge=1, le=90)
    # The version that scores a task, whatever came after it: how a model is rolled back.
    pinned: dict[Literal["purchase", "churn"], str] = Field(default_factory=dict)
    # Below these a model learns noise, and a transparent rule takes its place.
    minimum_customers: int = Field(default=200, ge=10)
    minimum_positives: int = Field(default=50, ge=5)
    # Product affinity knows the products that sell most; its memory grows with the square of these.
    affinity_products: int = Field(default=3000, ge=10, le=20_000)


Channel = Literal["email", "sms", "push"]
Mode = Literal["audience", "event", "message", "task"]


class Limits(_Model):
    """When a plan is refused because it looks wrong rather than right."""

    # Share of an audience that one plan may remove, and how much one plan may grow it.
    max_removal_share: float = Field(default=0.5, ge=0, le=1)
    max_growth_ratio: float = Field(default=2.0, gt=1)
    # Audiences smaller than this are not judged by share and ratio.
    minimum_audience: int = Field(default=100, ge=0)
    # An audience that would be smaller or larger than these, and more messages than this at once.
    min_size: int = Field(default=0, ge=0)
    max_size: int | None = Field(default=None, ge=1)
    max_messages: int | None = Field(default=None, ge=1)


class DestinationSettings(_Model):
    """What every destination is told; a type adds its own (the class `SETTINGS` of its module).

    `type` is the name of a module in `destinations/vendors/`. Who lacks what it `requires`, or has
    not agreed to the channel of `consent`, is not sent there. `limits` take the place of the
    shop's.
    """

    # The channel by which it reaches people whatever they were asked to agree to.
    own_channel: ClassVar[Channel | None] = None

    type: str
    requires: tuple[Literal["email", "phone"], ...] = ()
    consent: Channel | None = None
    limits: Limits | None = None

    @property
    def reaches_by(self) -> Channel | None:
        """The channel by which people are reached; none where nobody is written to."""
        return self.consent or self.own_channel


def _of_its_type(value: Any) -> Any:
    """The settings of a destination, checked by the class that its type has."""
    if isinstance(value, DestinationSettings):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("destination", "expected keys and values")
    kind = str(value.get("type", ""))
    known = destination_types()
    if kind not in known:
        near = difflib.get_close_matches(kind, known, n=1)
        mend = f"perhaps {near[0]}" if near else f"there are: {', '.join(known)}"
        told = f"no destination of type {kind!r}; {mend}" if kind else f"type is missing; {mend}"
        raise PydanticCustomError("destination", "{told}", {"told": told})
    module = importlib.import_module(f"marketing_platform.destinations.vendors.{kind}")
    try:
        return module.SETTINGS.model_validate(value)
    except ValidationError as error:
        told = first_mistake(error, module.SETTINGS)
        raise PydanticCustomError("destination", "{told}", {"told": told}) from None


@cache
def destination_types() -> tuple[str, ...]:
    """The types of destinations: the modules of `destinations/vendors/`."""
    folder = Path(__file__).parent / "destinations" / "vendors"
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


Destination = Annotated[SerializeAsAny[DestinationSettings], BeforeValidator(_of_its_type)]


class Content(_Model):
    """The words of a message or a task: Jinja templates over the attributes of the rule.

    Each destination says which of them it uses; `template` is the vendor's own template.
    """

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    template: str | None = None


class When(_Model):
    """An odd day of a series of the business, as in `quality.anomalies`.

    `kind` none: whatever is odd about it. It counts for `days` days, the odd one among them.
    """

    metric: str
    kind: Literal["spike", "dip", "level_shift", "flat"] | None = None
    slice_kind: str = "all"
    slice: str = "all"
    days: int = Field(default=1, ge=1, le=60)

    @property
    def label(self) -> str:
        """The series and what is odd about it as one word."""
        of = () if self.slice_kind == "all" else (self.slice_kind, self.slice)
        told = [word for word in (self.metric, *of, self.kind) if word is not None]
        return re.sub(r"\W+", "_", "_".join(told)).strip("_").lower()


class ActivationRule(_Model):
    """A segment that is sent to a destination, with the profile fields to send along.

    By itself it keeps an audience: the list, tag or user list `audience` of the destination, or a
    property named after the segment. With `event` who enters the segment is told as that event,
    with `message` they are written to, with `task` somebody is asked to call them; each once for
    each time that they enter, and not again within `repeat_after_days`.

    With `when` the segment counts as empty but while a series is odd: an audience is filled for
    that time, and what is told once is told once for each time that it is.
    """

    segment: str
    destination: str
    attributes: tuple[str, ...] = ("email", "phone", "first_name", "last_name", "country")
    audience: str | None = None
    event: str | None = None
    message: Content | None = None
    task: Content | None = None
    repeat_after_days: int = Field(default=30, ge=0, le=3650)
    when: When | None = None

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        told = [n for n in ("audience", "event", "message", "task") if getattr(self, n) is not None]
        if len(told) > 1:
            raise ValueError(f"{told[0]} and {told[1]} stand side by side; write two rules")
        return self

    @property
    def mode(self) -> Mode:
        """What the destination is asked to do."""
        if self.event is not None:
            return "event"
        if self.message is not None:
            return "message"
        return "task" if self.task is not None else "audience"

    @property
    def is_once(self) -> bool:
        """Whether entering the segment is told once, rather than membership kept."""
        return self.mode != "audience"

    @property
    def label(self) -> str:
        """What a destination calls the members where `audience` does not say: tag, property, flag.

        Those of a rule that waits are others than all of the segment.
        """
        return f"{self.segment}_when_{self.when.label}" if self.when else self.segment

    @property
    def name(self) -> str:
        """What the ledger calls it: the label, for what is told once with how."""
        return f"{self.label}.{self.mode}" if self.is_once else self.label

    @property
    def target(self) -> str:
        """What makes the same members another audience: where they go and what is said to them."""
        if not self.is_once:
            return self.audience or ""
        return self.event or ""


class Fatigue(_Model):
    """How many messages a person may get in 24 hours and in 7 days, over all destinations."""

    per_day: int = Field(default=2, ge=1)
    per_week: int = Field(default=5, ge=1)


class AlertMail(_Model):
    """A mail server, and who gets alerts from it."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    from_email: str
    to: tuple[str, ...] = Field(min_length=1)


class Alerts(_Model):
    """Where alerts go besides the log, how many an hour, and when an incident is told again."""

    webhook_url: str | None = None
    webhook_token: SecretStr | None = None
    # An incoming webhook: its whole URL is a secret.
    slack_url: SecretStr | None = None
    pagerduty_key: SecretStr | None = None
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    email: AlertMail | None = None
    max_per_hour: int = Field(default=12, ge=1)
    escalate_hours: float = Field(default=4, gt=0)


class SourceFreshness(_Model):
    """From which age, in hours, a source is late and stale; what is not said is learnt."""

    late_hours: float | None = Field(default=None, gt=0)
    stale_hours: float | None = Field(default=None, gt=0)


class Freshness(_Model):
    """How old the newest record of a source may be, in hours, before activation holds.

    `stale_hours` is the least that is learnt for a source; `sources` says it for some.
    """

    stale_hours: float = Field(default=50, gt=0)
    sources: dict[str, SourceFreshness] = Field(default_factory=dict)


class Anomalies(_Model):
    """When a day, or an hour, of a series is odd.

    `threshold` and `hourly_threshold` are in robust standard deviations (there are many hours);
    below `minimum_volume` (a count, or what a ratio is taken of) nothing is said; `holidays` are
    neither judged nor learned from.
    """

    threshold: float = Field(default=4.0, ge=2, le=20)
    hourly_threshold: float = Field(default=6.0, ge=2, le=20)
    minimum_volume: float = Field(default=30, ge=1)
    holidays: tuple[dt.date, ...] = ()


class Drift(_Model):
    """When the newest records of a source are not like those before them.

    Fewer than `minimum_rows` are not judged; fewer than `least_volume` of the least that came on
    such a weekday before, or of all that were there, are too few. Of the rows that records refer
    to, more than `missing_references` must not be missing. `ignored` names tables and columns
    (`core.orders.country`) that have changed for good, or are of no concern.
    """

    minimum_rows: int = Field(default=30, ge=1)
    least_volume: float = Field(default=0.6, ge=0, le=1)
    missing_references: float = Field(default=0.1, ge=0, le=1)
    ignored: tuple[str, ...] = ()


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("a name is small letters, digits and _")
    return name


class Feed(_Model):
    """A file of what the shop sells, written anew by each activation where something changed.

    `folder` is a folder or a bucket's URL, `store` the options of obstore for it. `link` is the
    page of an offer where the source tells none, with `{product_id}` (the source's) or `{sku}` in
    it. A feed that would lose a larger share of its offers than `max_removal_share` is held.
    """

    format: Literal["google_merchant", "csv", "jsonl"] = "google_merchant"
    folder: str | None = None
    store: dict[str, SecretStr] = Field(default_factory=dict)
    link: str | None = None
    sources: tuple[str, ...] = ()
    max_removal_share: float = Field(default=0.5, ge=0, le=1)

    @field_validator("link")
    @classmethod
    def _page(cls, link: str | None) -> str | None:
        if link and not re.fullmatch(r"https?://\S*\{(product_id|sku)\}\S*", link):
            raise ValueError("write https://... with {product_id} or {sku} in it")
        return link


class RunHistory(_Model):
    """How long Dagster keeps its runs and their logs.

    What an asset, a day of it or a check was last told stays, and so does the run that told it.
    """

    keep_days: int = Field(default=30, ge=7)


class WarehouseSettings(_Model):
    """Limits of the warehouse's engine."""

    memory_limit: str = Field(default="2GB", pattern=r"^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$")
    threads: int | None = Field(default=None, ge=1)


class Platform(_Model):
    """The content of `config/platform.yaml`."""

    shop: Shop = Field(default_factory=Shop)
    rates: Rates = Field(default_factory=Rates)
    # `now`, or the newest record of the sources (for an export of the past), or a fixed moment.
    clock: Literal["now", "newest_record"] | dt.date = "now"
    sources: Sources = Field(default_factory=Sources)
    identity: Identity = Field(default_factory=Identity)
    predictions: Predictions = Field(default_factory=Predictions)
    destinations: dict[str, Destination] = Field(default_factory=dict)
    activations: tuple[ActivationRule, ...] = ()
    feeds: dict[Annotated[str, AfterValidator(_plain_name)], Feed] = Field(default_factory=dict)
    limits: Limits = Field(default_factory=Limits)
    fatigue: Fatigue = Field(default_factory=Fatigue)
    alerts: Alerts = Field(default_factory=Alerts)
    freshness: Freshness = Field(default_factory=Freshness)
    anomalies: Anomalies = Field(default_factory=Anomalies)
    drift: Drift = Field(default_factory=Drift)
    warehouse: WarehouseSettings = Field(default_factory=WarehouseSettings)
    run_history: RunHistory = Field(default_factory=RunHistory)


class Settings(_Model):
    """Everything the platform needs to know to run for one shop."""

    config_dir: Path
    data_dir: Path
    state_url: SecretStr
    platform: Platform

    @property
    def lake_dir(self) -> Path:
        """Raw payloads as Parquet."""
        return self.data_dir / "lake"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def models_dir(self) -> Path:
        """Trained models."""
        return self.data_dir / "models"

    @property
    def feeds_dir(self) -> Path:
        """Where file destinations write unless they name a folder."""
        return self.data_dir / "feeds"

    @property
    def dagster_home(self) -> Path:
        """The Dagster instance."""
        return self.data_dir / "dagster"

    @property
    def segments_dir(self) -> Path:
        """The segment definitions."""
        return self.config_dir / "segments"


def load_settings(
    *,
    config_dir: Path | None = None,
    data_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    is_optional: bool = False,
    overlay: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings of one shop; with `is_optional` there may be none, in a folder of nobody.

    `platform.yaml` in the config folder is the base; `shop.json` in the data folder, written by
    `marketing-platform run` and `demo`, is laid over it, so that the UI opens on the same input.
    What it names under `replaces` it replaces whole. `overlay` is taken in its place.
    """
    env = os.environ if environ is None else environ
    config = (config_dir or Path(env.get(CONFIG_DIR_VARIABLE, "config"))).absolute()
    data = (data_dir or _data_dir(env)).absolute()
    if data.exists() and not data.is_dir():
        raise ConfigError("the data folder is a file", where=str(data), mend="Name a folder")
    path = config / "platform.yaml"
    is_missing = is_optional and CONFIG_DIR_VARIABLE not in env and not path.exists()
    content = {} if is_missing else _read_yaml(path)
    remembered = data / "shop.json"
    if overlay is None and remembered.exists():
        overlay = json.loads(remembered.read_text(encoding="utf-8"))
    if overlay:
        replaced = {"replaces", *overlay.get("replaces", [])}
        kept = {key: value for key, value in content.items() if key not in replaced}
        content = _merge(kept, {k: v for k, v in overlay.items() if k != "replaces"})
    platform = parse_platform(content, where=path, environ=env)
    state_url = env.get(STATE_URL_VARIABLE) or f"sqlite:///{data / 'state.db'}"
    try:
        make_url(state_url)
    except ArgumentError:
        raise ConfigError(
            "not a database URL", where=STATE_URL_VARIABLE, mend="Write postgresql+psycopg://..."
        ) from None
    return Settings(
        config_dir=config, data_dir=data, state_url=SecretStr(state_url), platform=platform
    )


def parse_platform(
    content: Mapping[str, Any], *, where: Path, environ: Mapping[str, str]
) -> Platform:
    """Check the content of `platform.yaml`; the first thing wrong is told with its key."""
    _refuse_plain_secrets(content, where)
    resolved = _resolve(content, where, environ, "")
    try:
        return Platform.model_validate(resolved)
    except ValidationError as error:
        raise ConfigError(
            first_mistake(error, Platform), where=str(where), mend="Correct this key"
        ) from None


def _data_dir(environ: Mapping[str, str]) -> Path:
    if value := environ.get(DATA_DIR_VARIABLE):
        return Path(value)
    pointer = Path("data/current")
    shop = pointer.read_text(encoding="utf-8").strip() if pointer.exists() else DEFAULT_SHOP
    return Path("data") / shop


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "no such file", where=str(path), mend="Start where config/platform.yaml lies"
        ) from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        raise ConfigError("not readable as YAML", where=f"{path}{line}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError("expected keys and values", where=str(path))
    return content


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


# postgresql://user:password@host, unless the password is a reference.
_PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*:(?!\$\{)[^/@\s]+@")
_SECRET_KEY = re.compile(r"(.*_)?(token|key|password|secret|credentials)")


def _refuse_plain_secrets(content: Any, where: Path, place: str = "") -> None:
    if not isinstance(content, Mapping):
        return
    for name, value in content.items():
        here = f"{place}{name}"
        if _is_secret(name, value) and not _REFERENCE.fullmatch(str(value)):
            raise ConfigError(
                f"{here}: a secret does not belong in a file",
                where=str(where),
                mend=f"Write {name}: ${{{name.upper()}}} and set that environment variable",
            )
        _refuse_plain_secrets(value, where, f"{here}.")


def _is_secret(name: Any, value: Any) -> bool:
    if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
        return True
    return value is not None and bool(_SECRET_KEY.fullmatch(str(name)))


def _resolve(value: Any, where: Path, environ: Mapping[str, str], place: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _resolve(v, where, environ, f"{place}{k}.") for k, v in value.items()}
    if isinstance(value, list):
        return [_resolve(v, where, environ, f"{place}{i}.") for i, v in enumerate(value)]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda m: _lookup(m, where, environ, place.rstrip(".")), value)
    return value


def _lookup(match: re.Match[str], where: Path, environ: Mapping[str, str], place: str) -> str:
    is_file, name = match.group(1), match.group(2)
    if is_file:
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError:
            raise ConfigError(
                f"{place}: cannot read the secret file {name}", where=str(where)
            ) from None
    if name not in environ:
        raise ConfigError(
            f"{place}: the environment variable {name} is not set",
            where=str(where),
            mend=f"Set {name}, or take this key out",
        )
    return environ[name]

"""The content of `config/platform.yaml`, and where one shop has its files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from marketing_platform.settings.activation import (
    ActivationRule,
    Destination,
    Fatigue,
    Feed,
    Limits,
    plain_name,
)
from marketing_platform.settings.group import Group
from marketing_platform.settings.identity import Identity
from marketing_platform.settings.predictions import Predictions
from marketing_platform.settings.shop import Rates, Shop, Sources
from marketing_platform.settings.watching import Alerts, Anomalies, Drift, Freshness


class RunHistory(Group):
    """How long Dagster keeps its runs and their logs.

    What an asset, a day of it or a check was last told stays, and so does the run that told it.
    """

    keep_days: int = Field(default=30, ge=7)


class WarehouseSettings(Group):
    """Limits of the warehouse's engine."""

    memory_limit: str = Field(default="2GB", pattern=r"^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$")
    threads: int | None = Field(default=None, ge=1)


class Platform(Group):
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
    feeds: dict[Annotated[str, AfterValidator(plain_name)], Feed] = Field(default_factory=dict)
    limits: Limits = Field(default_factory=Limits)
    fatigue: Fatigue = Field(default_factory=Fatigue)
    alerts: Alerts = Field(default_factory=Alerts)
    freshness: Freshness = Field(default_factory=Freshness)
    anomalies: Anomalies = Field(default_factory=Anomalies)
    drift: Drift = Field(default_factory=Drift)
    warehouse: WarehouseSettings = Field(default_factory=WarehouseSettings)
    run_history: RunHistory = Field(default_factory=RunHistory)

    @field_validator("clock", mode="wrap")
    @classmethod
    def _clock_in_words(cls, given: Any, read: ValidatorFunctionWrapHandler) -> Any:
        try:
            return read(given)
        except ValidationError:
            raise PydanticCustomError(
                "clock", "expected now, newest_record or a day such as 2011-12-09"
            ) from None


class Settings(Group):
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
    def tokens_dir(self) -> Path:
        """Refresh tokens that vendors gave in the place of those in the settings."""
        return self.data_dir / "tokens"

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

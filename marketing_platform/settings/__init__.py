"""One typed `Settings`, read from `config/platform.yaml`, the data folder and the environment.

`${NAME}` in a value is replaced by the environment variable NAME, `${file:PATH}` by the content of
a secret file. Secrets must be written so: a token that stands in the file itself is refused.
"""

from __future__ import annotations

from marketing_platform.settings.activation import (
    MOST_PRODUCTS,
    ActivationRule,
    Channel,
    Content,
    DestinationSettings,
    Fatigue,
    Feed,
    Holdout,
    Limits,
    Mode,
    QuietHours,
    When,
    destination_types,
)
from marketing_platform.settings.identity import Identity
from marketing_platform.settings.loading import (
    CONFIG_DIR_VARIABLE,
    DAGSTER_URL_VARIABLE,
    DATA_DIR_VARIABLE,
    load_settings,
    parse_platform,
)
from marketing_platform.settings.platform import Platform, Settings
from marketing_platform.settings.predictions import Predictions
from marketing_platform.settings.shop import FileStream, Shop, Sources
from marketing_platform.settings.watching import Alerts, Anomalies, Drift

__all__ = [
    "CONFIG_DIR_VARIABLE",
    "DAGSTER_URL_VARIABLE",
    "DATA_DIR_VARIABLE",
    "MOST_PRODUCTS",
    "ActivationRule",
    "Alerts",
    "Anomalies",
    "Channel",
    "Content",
    "DestinationSettings",
    "Drift",
    "Fatigue",
    "Feed",
    "FileStream",
    "Holdout",
    "Identity",
    "Limits",
    "Mode",
    "Platform",
    "Predictions",
    "QuietHours",
    "Settings",
    "Shop",
    "Sources",
    "When",
    "destination_types",
    "load_settings",
    "parse_platform",
]

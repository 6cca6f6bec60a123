"""The tables of `predictions` that SQL cannot build: days, models and scores.

What needs scikit-learn is imported when it is built: it takes seconds, and every command and every
process of the UI loads this list.
"""

from __future__ import annotations

import datetime as dt
from functools import partial

from marketing_platform.names import TableName
from marketing_platform.predictions.dates import build_as_of_dates
from marketing_platform.predictions.tasks import Task
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, DayTable, PythonTable, Warehouse

_BASKETS = ("core.order_items", "core.orders", "identity.contact_customers")
_READ_BY_SCORES = (
    *("core.clock", "predictions.as_of_dates", "predictions.features", "predictions.models"),
    "predictions.watch",
)


def _build_models(warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.trained import build_models

    return build_models(warehouse, settings)


def _build_watch(warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.watch import build_watch

    return build_watch(warehouse, settings)


def _build_scores(task: Task, warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.scores import build_scores

    return build_scores(task, warehouse, settings)


def _build_lifetime_value(warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.lifetime_value import build_lifetime_value

    return build_lifetime_value(warehouse, settings)


def _build_next_order(warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.lifetime_value import build_next_order

    return build_next_order(warehouse, settings)


def _build_product_affinity(warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.product_affinity import build_product_affinity

    return build_product_affinity(warehouse, settings)


def _build_lead_score(warehouse: Warehouse, settings: Settings) -> Built:
    from marketing_platform.predictions.leads import build_lead_score

    return build_lead_score(warehouse, settings)


def _build_score_history(warehouse: Warehouse, settings: Settings, day: dt.date) -> Built:
    from marketing_platform.predictions.score_history import build_score_history

    return build_score_history(warehouse, settings, day)


DAY_TABLES: tuple[DayTable, ...] = (
    DayTable(
        TableName("predictions", "score_history"),
        "One row is a day, a task and a buyer: what the model that reigned on that day says of the"
        " buyer as known then. Days are built when they are asked for, in a backfill; nothing that"
        " sends reads them.",
        (
            *("core.engagements", "identity.contact_customers", "predictions.models"),
            *("predictions.watch", "profiles.active_days", "profiles.orders"),
        ),
        _build_score_history,
    ),
)
TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName("predictions", "as_of_dates"),
        "One row is a task and a day at whose end features are taken: today to score, one horizon"
        " back to test, and further back to train.",
        ("core.clock", "profiles.orders"),
        build_as_of_dates,
    ),
    PythonTable(
        TableName("predictions", "models"),
        "One row is a trained model (or the rule in its place), how it did beside the baselines on"
        " days it had not seen, whether it reigns, and whether its scores may be used.",
        (
            "core.clock",
            "predictions.as_of_dates",
            "predictions.features",
            "predictions.outcomes",
            "profiles.orders",
            "predictions.lead_features",
            *_BASKETS,
        ),
        _build_models,
        is_long=True,
    ),
    PythonTable(
        TableName("predictions", "watch"),
        "One row is a task and a day: whether its scores are still of the population that they were"
        " made for, and whether those of one horizon ago came true.",
        (
            *("core.clock", "predictions.as_of_dates", "predictions.features"),
            *("predictions.outcomes", "predictions.models"),
        ),
        _build_watch,
    ),
    PythonTable(
        TableName("predictions", "purchase_14d"),
        "One row is a buyer and the probability that they buy again within the horizon (14 days"
        " unless set otherwise).",
        _READ_BY_SCORES,
        partial(_build_scores, "purchase"),
    ),
    PythonTable(
        TableName("predictions", "churn_30d"),
        "One row is an active buyer and the probability that they buy nothing within the horizon"
        " (30 days unless set otherwise).",
        _READ_BY_SCORES,
        partial(_build_scores, "churn"),
    ),
    PythonTable(
        TableName("predictions", "lifetime_value"),
        "One row is a buyer: what they have spent, and are expected to order and spend in the next"
        " 90 and 365 days, with the range in which eight of ten such buyers lie.",
        ("core.clock", "predictions.features", "predictions.models"),
        _build_lifetime_value,
    ),
    PythonTable(
        TableName("predictions", "next_order"),
        "One row is a buyer and the day on which they are expected to order next, if any.",
        ("core.clock", "predictions.features", "profiles.orders"),
        _build_next_order,
    ),
    PythonTable(
        TableName("predictions", "product_affinity"),
        "One row is a customer and one of the ten products that they are likeliest to buy again, or"
        " of the ten new to them.",
        ("core.clock", "core.products", "predictions.models", *_BASKETS),
        _build_product_affinity,
        is_long=True,
    ),
    PythonTable(
        TableName("predictions", "lead_score"),
        "One row is a customer without a purchase and the probability that they buy for the first"
        " time within 30 days.",
        ("core.clock", "predictions.lead_features", "predictions.models"),
        _build_lead_score,
    ),
)

"""What is predicted, and from how much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from marketing_platform.settings.group import Group


class Predictions(Group):
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
    pinned: dict[Literal["purchase", "churn", "value", "affinity", "lead"], str] = Field(
        default_factory=dict
    )
    # Below these a model learns noise, and a transparent rule takes its place.
    minimum_customers: int = Field(default=200, ge=10)
    minimum_positives: int = Field(default=50, ge=5)
    # Product affinity knows the products that sell most; its memory grows with the square of these.
    affinity_products: int = Field(default=3000, ge=10, le=20_000)

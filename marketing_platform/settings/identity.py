"""What ties contacts together, and when a new mapping is held."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from marketing_platform.names import GOLDEN_ATTRIBUTES
from marketing_platform.settings.group import Group

IdentifierKind = Literal["email", "phone", "loyalty", "card"]
Rule = Literal["most_recent", "most_trusted", "most_frequent"]


class Linkage(Group):
    """Whether people without a shared identifier are compared by name, address and birth date.

    Pairs of at least `review_above` are listed; pairs of at least `merge_above` are also merged,
    where it is given.
    """

    is_enabled: bool = False
    review_above: float = Field(default=0.9, gt=0, lt=1)
    merge_above: float | None = Field(default=None, ge=0.95, lt=1)


class Identity(Group):
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

"""What every group of settings is: fixed once read, and an unknown key is a mistake."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def as_text(value: Any) -> Any:
    """A whole number as it was written: YAML reads 123 as one, where it is a name."""
    return str(value) if type(value) is int else value


def _digits(value: Any) -> Any:
    text = as_text(value)
    if isinstance(text, str) and not re.fullmatch(r"[0-9]+", text):
        raise ValueError("expected a number, digits alone")
    return text


# A vendor's number of something, with or without quotes.
Digits = Annotated[str, BeforeValidator(_digits)]


class Group(BaseModel):
    """Base of all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

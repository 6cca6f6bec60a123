"""What every group of settings is: fixed once read, and an unknown key is a mistake."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Base of all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

"""Which shop a data folder holds, and what `run` and `demo` remember about its input."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from marketing_platform.errors import InputError
from marketing_platform.lake import write_atomically
from marketing_platform.settings import DATA_DIR_VARIABLE

Origin = Literal["demo", "shop"]
_ROOT = Path("data")


def claim_folder(origin: Origin) -> Path:
    """The data folder for a shop of this origin, made if need be; it becomes the current one.

    Without `MARKETING_PLATFORM_DATA_DIR` the demo and one's own shop lie beside each other in
    `data/`. A folder that the variable names holds one of them, and is not shared.
    """
    named = os.environ.get(DATA_DIR_VARIABLE)
    folder = Path(named) if named else _ROOT / origin
    mark = folder / "origin"
    if mark.exists() and mark.read_text(encoding="utf-8").strip() != origin:
        raise InputError(
            f"the folder holds the {mark.read_text(encoding='utf-8').strip()}, not the {origin}",
            where=str(folder),
            mend=f"Set {DATA_DIR_VARIABLE} to another folder",
        )
    write_atomically(mark, origin)
    if not named:
        write_atomically(_ROOT / "current", origin)
    return folder.absolute()


def remember_input(folder: Path, overlay: dict[str, Any]) -> None:
    """Keep settings that belong to this shop's input beside its data (`shop.json`)."""
    write_atomically(folder / "shop.json", json.dumps(overlay, indent=2, default=str))

"""Keeps trained models as files. Bytes from a file are never unpickled: only listed types load.

What is made of plain values, a rule, is kept as JSON; what holds arrays and scikit-learn, by skops,
which is imported when it is needed: that takes seconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from marketing_platform.errors import InputError

# What skops does not trust by itself: a grown tree of scikit-learn, which only holds numbers.
_TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)


def path_of(folder: Path, model_version: str) -> Path:
    """Where the model of a version lies."""
    plain = folder / f"{model_version}.json"
    return plain if plain.exists() else folder / f"{model_version}.skops"


def save(folder: Path, model_version: str, parts: dict[str, Any]) -> Path:
    """Write a model; a crash leaves the file of before or none, never half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    content, suffix = _content(parts)
    path = folder / f"{model_version}.{suffix}"
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load(folder: Path, model_version: str) -> dict[str, Any]:
    """Read a model. Raises `InputError` if it is missing, damaged or holds a type not listed."""
    path = path_of(folder, model_version)
    mend = "Build predictions.models again"
    if path.suffix == ".json":
        try:
            return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InputError(f"not readable: {error}", where=str(path), mend=mend) from error
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return cast("dict[str, Any]", skops.io.load(path, trusted=list(_TRUSTED)))
    except FileNotFoundError:
        raise InputError("the model is missing", where=str(path), mend=mend) from None
    except UntrustedTypesFoundException as error:
        raise InputError(f"not a model of ours: {error}", where=str(path), mend=mend) from None
    except Exception as error:
        raise InputError(f"not readable: {error}", where=str(path), mend=mend) from error


def remove_others(folder: Path, versions: Collection[str]) -> None:
    """Remove the models of all versions but these."""
    for path in folder.glob("*-*"):
        if path.suffix in (".json", ".skops") and path.stem not in versions:
            path.unlink(missing_ok=True)


def _content(parts: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes of a file that holds `parts`, and how its name ends."""
    if _is_plain(parts):
        return json.dumps(parts, sort_keys=True).encode(), "json"
    import skops.io

    return cast(bytes, skops.io.dumps(parts)), "skops"


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    return value is None or type(value) in (str, int, float, bool)

"""Keeps trained models as files. Bytes from a file are never unpickled: only listed types load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from marketing_platform.errors import InputError

# What skops does not trust by itself: a grown tree of scikit-learn, which only holds numbers.
_TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)


def path_of(folder: Path, model_version: str) -> Path:
    """Where the model of a version lies."""
    return folder / f"{model_version}.skops"


def save(folder: Path, model_version: str, parts: dict[str, Any]) -> Path:
    """Write a model; a crash leaves the file of before or none, never half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, model_version)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(skops.io.dumps(parts))
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
    try:
        return cast("dict[str, Any]", skops.io.load(path, trusted=list(_TRUSTED)))
    except FileNotFoundError:
        raise InputError("the model is missing", where=str(path), mend=mend) from None
    except UntrustedTypesFoundException as error:
        raise InputError(f"not a model of ours: {error}", where=str(path), mend=mend) from None
    except Exception as error:
        raise InputError(f"not readable: {error}", where=str(path), mend=mend) from error

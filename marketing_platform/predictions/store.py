"""Keeps trained models as files. Bytes from a file are never unpickled: only listed types load.

What is made of plain values, a rule, is kept as JSON; what holds arrays besides, as NumPy's archive
of them; what holds scikit-learn, by skops, which is imported when it is needed: that takes seconds.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from marketing_platform.errors import InputError

_SUFFIXES = (".json", ".npz", ".skops")
# In an archive of arrays, what is none.
_PLAIN = "plain"
# What skops does not trust by itself: a grown tree of scikit-learn, which only holds numbers.
_TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)


def path_of(folder: Path, model_version: str) -> Path:
    """Where the model of a version lies."""
    found = (folder / f"{model_version}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in found if path.exists()), folder / f"{model_version}.skops")


def save(folder: Path, model_version: str, parts: dict[str, Any]) -> Path:
    """Write a model; a crash leaves the file of before or none, never half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    content, suffix = _content(parts)
    path = folder / f"{model_version}{suffix}"
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
    if path.suffix == ".npz":
        # Large, and one table asks for it: not worth to be held.
        return _read(path)
    try:
        found = path.stat()
    except OSError:
        return _read(path)
    return dict(_remembered(path, found.st_ino, found.st_mtime_ns, found.st_size))


# In a run the same few models are asked by one table after another, and to read one takes a tenth
# of a second. `is_now`: a file that was changed since is another one.
@lru_cache(maxsize=8)
def _remembered(path: Path, *is_now: int) -> dict[str, Any]:
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    mend = "Build predictions.models again"
    if path.suffix != ".skops":
        try:
            return _unpacked(path) if path.suffix == ".npz" else _plain(path.read_bytes())
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
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
        if path.suffix in _SUFFIXES and path.stem not in versions:
            path.unlink(missing_ok=True)


def _content(parts: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes of a file that holds `parts`, and how its name ends."""
    plain = {name: part for name, part in parts.items() if not _is_array(part)}
    if _is_plain(plain):
        told = json.dumps(plain, sort_keys=True).encode()
        if len(plain) == len(parts):
            return told, ".json"
        arrays: dict[str, Any] = {n: part for n, part in parts.items() if n not in plain}
        arrays[_PLAIN] = np.frombuffer(told, np.uint8)
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        return archive.getvalue(), ".npz"
    import skops.io

    return cast(bytes, skops.io.dumps(parts)), ".skops"


def _plain(content: bytes) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(content))


def _unpacked(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files if name != _PLAIN}
        return {**_plain(archive[_PLAIN].tobytes()), **arrays}


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray) and not value.dtype.hasobject


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)

"""Reads the settings of one shop: its YAML, what was remembered, the environment, secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, ScalarNode

from marketing_platform.errors import ConfigError
from marketing_platform.mistakes import first_mistake
from marketing_platform.settings.platform import Platform, Settings

DATA_DIR_VARIABLE = "MARKETING_PLATFORM_DATA_DIR"
CONFIG_DIR_VARIABLE = "MARKETING_PLATFORM_CONFIG_DIR"
STATE_URL_VARIABLE = "MARKETING_PLATFORM_STATE_URL"
DAGSTER_URL_VARIABLE = "MARKETING_PLATFORM_DAGSTER_URL"
DEFAULT_SHOP = "shop"
# DuckDB takes these for a pattern of files, and Dagster's SQLite storage % for a part of a URL.
_PATTERN = re.compile(r"[*?\[%]")
_REFERENCE = re.compile(r"\$\{(?:(file):)?([^}]+)\}")


def load_settings(
    *,
    config_dir: Path | None = None,
    data_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    is_optional: bool = False,
    overlay: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings of one shop; with `is_optional` there may be none, in a folder of nobody.

    `platform.yaml` in the config folder is the base; `shop.json` in the data folder, written by
    `marketing-platform run` and `demo`, is laid over it, so that the UI opens on the same input.
    What it names under `replaces` it replaces whole. `overlay` is taken in its place.
    """
    env = os.environ if environ is None else environ
    config = (config_dir or Path(env.get(CONFIG_DIR_VARIABLE, "config"))).absolute()
    data = (data_dir or _data_dir(env)).absolute()
    if data.exists() and not data.is_dir():
        raise ConfigError("the data folder is a file", where=str(data), mend="Name a folder")
    if not is_optional and (odd := _PATTERN.search(str(data))):
        raise ConfigError(
            f"a data folder cannot have {odd[0]} in its path",
            where=str(data),
            mend=f"Rename the folder, or name another with {DATA_DIR_VARIABLE}",
        )
    path = config / "platform.yaml"
    is_missing = is_optional and CONFIG_DIR_VARIABLE not in env and not path.exists()
    content = {} if is_missing else _read_yaml(path)
    remembered = data / "shop.json"
    if overlay is None and remembered.exists():
        platform = _with_remembered(content, remembered, path, env)
    else:
        platform = parse_platform(_laid_over(content, overlay or {}), where=path, environ=env)
    state_url = env.get(STATE_URL_VARIABLE) or f"sqlite:///{data / 'state.db'}"
    try:
        make_url(state_url)
    except ArgumentError:
        raise ConfigError(
            "not a database URL", where=STATE_URL_VARIABLE, mend="Write postgresql+psycopg://..."
        ) from None
    return Settings(
        config_dir=config, data_dir=data, state_url=SecretStr(state_url), platform=platform
    )


def _laid_over(content: dict[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    replaced = {"replaces", *overlay.get("replaces", [])}
    kept = {key: value for key, value in content.items() if key not in replaced}
    return _merge(kept, {k: v for k, v in overlay.items() if k != "replaces"})


def _with_remembered(
    content: dict[str, Any], remembered: Path, path: Path, environ: Mapping[str, str]
) -> Platform:
    """The settings with what is remembered; a mistake is told of the file that has it."""
    try:
        overlay = json.loads(remembered.read_text(encoding="utf-8"))
        return parse_platform(_laid_over(content, overlay), where=path, environ=environ)
    except (ValueError, AttributeError, ConfigError) as error:
        parse_platform(content, where=path, environ=environ)
        reason = error.what if isinstance(error, ConfigError) else "not a JSON object"
        raise ConfigError(
            f"what was remembered of the last run cannot be used: {reason}",
            where=str(remembered),
            mend="Delete this file and run again: `run` and `demo` write it",
        ) from None


def parse_platform(
    content: Mapping[str, Any], *, where: Path, environ: Mapping[str, str]
) -> Platform:
    """Check the content of `platform.yaml`; the first thing wrong is told with its key."""
    try:
        _refuse_plain_secrets(content, where)
        resolved = _resolve(content, where, environ, "")
    except RecursionError:
        raise ConfigError(
            "an alias (*name) stands inside of what it names", where=str(where), mend="Write it out"
        ) from None
    try:
        return Platform.model_validate(resolved)
    except ValidationError as error:
        raise ConfigError(
            first_mistake(error, Platform), where=str(where), mend="Correct this key"
        ) from None


def _data_dir(environ: Mapping[str, str]) -> Path:
    if value := environ.get(DATA_DIR_VARIABLE):
        return Path(value)
    pointer = Path("data/current")
    shop = pointer.read_text(encoding="utf-8").strip() if pointer.exists() else DEFAULT_SHOP
    return Path("data") / shop


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice: the second would take the first one's place."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, ScalarNode) else ""
            if name in seen:
                raise _WrittenTwiceError(None, None, name, key.start_mark)
            seen.update({name} - {"", "<<"})
        return super().construct_mapping(node, deep)

    def construct_yaml_timestamp(self, node: ScalarNode) -> Any:
        """A day or a moment; one that is in no calendar is told with its line."""
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:
            raise _NoSuchDayError(None, None, node.value, node.start_mark) from None


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class _NoSuchDayError(ConstructorError):
    """A day that no calendar has; `problem` is how it was written."""


class _WrittenTwiceError(ConstructorError):
    """A key stands twice in one mapping; `problem` is the key."""


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except FileNotFoundError:
        raise ConfigError(
            "no such file", where=str(path), mend="Start where config/platform.yaml lies"
        ) from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        if isinstance(error, _WrittenTwiceError):
            raise ConfigError(
                f"the key {error.problem} is written twice",
                where=f"{path}{line}",
                mend="Take one of them out",
            ) from None
        if isinstance(error, _NoSuchDayError):
            raise ConfigError(f"no such day: {error.problem}", where=f"{path}{line}") from None
        raise ConfigError("not readable as YAML", where=f"{path}{line}") from None
    except UnicodeDecodeError:
        raise ConfigError(
            "cannot be read as text", where=str(path), mend="Save it as UTF-8"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError("expected keys and values", where=str(path))
    return content


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


# postgresql://user:password@host or ...?password=..., unless it is a reference, or a template's.
_PASSWORD_IN_URL = re.compile(
    r"://[^/@\s:]*:(?!\$\{)[^/@\s]+@"
    r"|://\S*[?&](?:password|pwd|secret|api_key|(?:access_)?token)=(?!\$\{|\{\{)[^&\s]"
)
# Who knows the URL of an incoming webhook may write there. `push_token` is an attribute of people:
# beside it stands the column that holds it.
_SECRET_KEY = re.compile(r"(?!push_token$)(.*_)?(token|key|password|secret|credentials)|slack_url")


def _refuse_plain_secrets(content: Any, where: Path, place: str = "") -> None:
    if not isinstance(content, Mapping):
        return
    for name, value in content.items():
        here = f"{place}{name}"
        if _is_secret(name, value) and not _REFERENCE.fullmatch(str(value)):
            raise ConfigError(
                f"{here}: a secret does not belong in a file",
                where=str(where),
                mend=f"Write {name}: ${{{name.upper()}}} and set that environment variable",
            )
        _refuse_plain_secrets(value, where, f"{here}.")


def _is_secret(name: Any, value: Any) -> bool:
    if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
        return True
    return value is not None and bool(_SECRET_KEY.fullmatch(str(name)))


def _resolve(value: Any, where: Path, environ: Mapping[str, str], place: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _resolve(v, where, environ, f"{place}{k}.") for k, v in value.items()}
    if isinstance(value, list):
        return [_resolve(v, where, environ, f"{place}{i}.") for i, v in enumerate(value)]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda m: _lookup(m, where, environ, place.rstrip(".")), value)
    return value


def _lookup(match: re.Match[str], where: Path, environ: Mapping[str, str], place: str) -> str:
    is_file, name = match.group(1), match.group(2)
    if is_file:
        try:
            value = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                f"{place}: cannot read the secret file {name}", where=str(where)
            ) from None
    elif name in environ:
        value = environ[name]
    else:
        raise ConfigError(
            f"{place}: the environment variable {name} is not set",
            where=str(where),
            mend=f"Set {name}, or take this key out",
        )
    # The end of a line, also as Windows writes it, is no part of a secret.
    if not (value := value.strip()):
        raise ConfigError(
            f"{place}: the {'secret file' if is_file else 'environment variable'} {name} is empty",
            where=str(where),
            mend=f"Fill {name}, or take this key out",
        )
    return value

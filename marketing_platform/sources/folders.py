"""Folders that files are dropped into: on this machine, or in a bucket.

    folder: /data/segment
    folder: s3://my-bucket/segment        # gs://, az:// and https:// alike

A bucket is read in place, through `obstore`. Credentials come from where its vendor's tools look
for them (the environment, a profile, the machine's role), or from `store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
from pydantic import Field, SecretStr, field_validator

from marketing_platform.errors import SourceError
from marketing_platform.sources.system import SystemSettings

_PROTOCOLS = ("s3", "gs", "az")


class FolderSettings(SystemSettings):
    """A folder with files in it, also in folders of its own.

    `store` has options of obstore for a bucket, such as `endpoint`, `region`, `access_key_id` and
    `secret_access_key`.
    """

    folder: str = Field(min_length=1)
    store: Mapping[str, SecretStr] = {}

    @field_validator("folder")
    @classmethod
    def _known_protocol(cls, folder: str) -> str:
        protocol, found, _ = folder.partition("://")
        if found and protocol not in _PROTOCOLS:
            known = ", ".join(f"{name}://" for name in _PROTOCOLS)
            raise ValueError(f"neither a path nor a bucket ({known})")
        return folder.rstrip("/") or folder

    def files(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """The files in the folder, by name, as the connection reads them.

        Raises SourceError where there is no such folder, or the bucket does not answer.
        """
        if "://" in self.folder:
            return self._in_bucket(connection)
        folder = Path(self.folder)
        if not folder.is_dir():
            raise SourceError("no such folder", where=self.folder, mend="Correct the folder")
        return sorted(str(path) for path in folder.rglob("*") if path.is_file())

    def _in_bucket(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        # Heavy, and needed by few.
        from obstore.exceptions import BaseError
        from obstore.fsspec import FsspecStore

        protocol, _, place = self.folder.partition("://")
        told: dict[str, Any] = {name: text.get_secret_value() for name, text in self.store.items()}
        options = {"allow_http": True} if told.get("endpoint", "").startswith("http:") else None
        try:
            bucket = FsspecStore(protocol, config=told or None, client_options=options)
            names = bucket.find(place)
        except (BaseError, OSError, ValueError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SourceError(
                f"the bucket said: {said}",
                where=self.folder,
                mend="Correct the folder, or the credentials",
            ) from None
        connection.register_filesystem(bucket)
        return sorted(f"{protocol}://{name}" for name in names)

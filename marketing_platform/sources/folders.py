"""Folders that files are dropped into: on this machine, or in a bucket.

    folder: /data/segment
    folder: s3://my-bucket/segment        # gs://, az:// and https:// alike

A bucket is read in place, through `obstore`. Credentials come from where its vendor's tools look
for them (the environment, a profile, the machine's role), or from `store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import duckdb
from pydantic import AfterValidator, Field, SecretStr

from marketing_platform.errors import SourceError
from marketing_platform.sources.system import SystemSettings

_PROTOCOLS = ("s3", "gs", "az")


def _known_place(folder: str) -> str:
    protocol, found, _ = folder.partition("://")
    if found and protocol not in _PROTOCOLS:
        known = ", ".join(f"{name}://" for name in _PROTOCOLS)
        raise ValueError(f"neither a path nor a bucket ({known})")
    return folder.rstrip("/") or folder


Folder = Annotated[str, Field(min_length=1), AfterValidator(_known_place)]
"""A folder of this machine, or a bucket and a folder in it."""


class StoreSettings(SystemSettings):
    """`store` has options of obstore for a bucket, such as `endpoint`, `region`, `access_key_id`
    and `secret_access_key`.
    """

    store: Mapping[str, SecretStr] = {}

    def files_in(self, connection: duckdb.DuckDBPyConnection, folder: str) -> list[str]:
        """The files in a folder and in its own, by name, as the connection reads them.

        Raises SourceError where there is no such folder, or the bucket does not answer.
        """
        if "://" in folder:
            return self._in_bucket(connection, folder)
        path = Path(folder)
        if not path.is_dir():
            raise SourceError("no such folder", where=folder, mend="Correct the folder")
        return sorted(str(file) for file in path.rglob("*") if file.is_file())

    def _in_bucket(self, connection: duckdb.DuckDBPyConnection, folder: str) -> list[str]:
        # Heavy, and needed by few.
        from obstore.exceptions import BaseError
        from obstore.fsspec import FsspecStore

        protocol, _, place = folder.partition("://")
        told: dict[str, Any] = {name: text.get_secret_value() for name, text in self.store.items()}
        # A server of one's own; Google's key file names it within.
        is_plain = any("http://" in option for option in told.values())
        options = {"allow_http": True} if is_plain else None
        try:
            make: Any = FsspecStore  # overloaded by protocol, which is known only now
            bucket = make(protocol, config=told or None, client_options=options)
            names = bucket.find(place)
        except (BaseError, OSError, ValueError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SourceError(
                f"the bucket said: {said}",
                where=folder,
                mend="Correct the folder, or the credentials",
            ) from None
        connection.register_filesystem(bucket)
        return sorted(f"{protocol}://{name}" for name in names)


class FolderSettings(StoreSettings):
    """A folder with files in it, also in folders of its own."""

    folder: Folder

    def files(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """The files in it; see `files_in`."""
        return self.files_in(connection, self.folder)

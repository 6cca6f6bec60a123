"""Redis Streams: an entry a row, all of a batch in one transaction.

https://redis.io/docs/latest/commands/xadd/. An entry has the fields `key` and `body` (JSON).
"""

from __future__ import annotations

from collections.abc import Sequence

import redis.asyncio as aioredis
from pydantic import Field, SecretStr, field_validator
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from marketing_platform.destinations.answers import stop
from marketing_platform.destinations.base import Answer, Place
from marketing_platform.destinations.queues import (
    Message,
    QueueDestination,
    QueueSettings,
    checked_queue_url,
    host_of,
)


class RedisDestination(QueueSettings):
    """`url` is `redis://user:password@host:6379/0`, or `rediss://` for TLS."""

    url: SecretStr
    # The stream of rules that name no `audience`.
    stream: str = "marketing"
    # About so many entries are kept; the oldest go. All where it is not set.
    max_length: int | None = Field(default=None, ge=1)

    @field_validator("url")
    @classmethod
    def _of_redis(cls, url: SecretStr) -> SecretStr:
        return checked_queue_url(url, ("redis", "rediss"))


class RedisStreams(QueueDestination):
    """Streams of one Redis server; a rule's `audience` is a stream."""

    def __init__(self, name: str, settings: RedisDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings
        self._client: aioredis.Redis | None = None

    async def publish(self, messages: Sequence[Message], to: str | None) -> Answer:
        """Add the entries, all or none."""
        host = host_of(self._settings.url)
        try:
            client = self._open()
            # Before it answers, nothing can have been added.
            await client.ping()
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            return stop(f"refuses the credentials ({self.words(error)})")
        except (exceptions.RedisError, OSError) as error:
            return Answer("retry", f"no connection to {host}: {self.words(error)}")
        stream = to or self._settings.stream
        try:
            async with client.pipeline(transaction=True) as pipe:
                for one in messages:
                    fields = {"key": one.key, "body": one.body}
                    pipe.xadd(stream, fields, maxlen=self._settings.max_length)  # type: ignore[arg-type]
                await pipe.execute()
        except (exceptions.NoPermissionError, exceptions.AuthenticationError) as error:
            return stop(f"may not add to {stream} ({self.words(error)})")
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
            # It is closed, so that what comes late is not taken for the answer to the next.
            await self.close()
            return Answer("retry", f"{host}: {self.words(error)}", may_have_arrived=True)
        except exceptions.ResponseError as error:
            if "WRONGTYPE" in str(error):
                return stop(f"{stream} is there and is no stream")
            # A transaction that is refused has added nothing: full, loading, a replica.
            return Answer("retry", f"{host} refuses: {self.words(error)}")
        return Answer("accepted")

    async def close(self) -> None:
        """Close the connection."""
        if self._client:
            client, self._client = self._client, None
            await client.aclose()

    def _open(self) -> aioredis.Redis:
        if self._client is None:
            seconds = self._settings.timeout_seconds
            self._client = aioredis.Redis.from_url(
                self._settings.url.get_secret_value(),
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
                # Its own retries would add a batch twice and say nothing.
                retry=Retry(NoBackoff(), 0),
            )
        return self._client


SETTINGS = RedisDestination
DESTINATION = RedisStreams

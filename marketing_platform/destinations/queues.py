"""What all message queues share: a message a row, and what goes wrong on the way.

A consumer that drops a key that it has seen may be told a row twice without harm. Queues promise no
more than that (at least once), so it is the default; `is_idempotent: false` is for a consumer that
cannot, and then a row of unknown outcome is not sent again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import one_line
from marketing_platform.destinations.base import Answer, Audience, Batch, Place
from marketing_platform.destinations.http import dump
from marketing_platform.settings import ActivationRule, DestinationSettings, Mode
from marketing_platform.sources.secrets import mask, secrets_of


class QueueSettings(DestinationSettings):
    """The settings that all queues have."""

    batch_size: int = Field(default=500, ge=1, le=10_000)
    timeout_seconds: float = Field(default=10.0, gt=0)
    # Whether whoever reads the queue drops a row whose key it has seen.
    is_idempotent: bool = True


@dataclass(frozen=True)
class Message:
    """One row for a queue: its key, whose it is, and its JSON."""

    key: str
    customer_id: str
    body: bytes


class QueueDestination(ABC):
    """A message queue. No secret appears in any text that it gives out."""

    modes: ClassVar[tuple[Mode, ...]] = ("audience", "event")
    audience: ClassVar[Audience | None] = None
    shares_audience: ClassVar[bool] = True
    is_full_feed = False
    # One batch after the other, so that what was told of a person first arrives first.
    concurrency = 1
    calls_per_run = 3
    retry_seconds = 1.0
    max_wait_seconds = 15.0
    max_attempts = 10

    def __init__(self, name: str, settings: QueueSettings, place: Place) -> None:
        self.name = name
        self.batch_size = settings.batch_size
        self.is_idempotent = settings.is_idempotent
        self.rules = place.rules
        secrets = secrets_of(settings)
        self._secrets = secrets | {word for url in secrets for word in _password_in(url)}

    @abstractmethod
    async def publish(self, messages: Sequence[Message], to: str | None) -> Answer:
        """Hand messages over, to what the rule names as its audience, if it does."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the connection."""

    async def send(self, batch: Batch) -> Answer:
        """Hand over a batch once."""
        rule = self.rules.get(batch.audience)
        messages = messages_of(batch, rule)
        answer = await self.publish(messages, rule.audience if rule else None)
        rows = {
            key: replace(row, message=self.words(row.message)) for key, row in answer.rows.items()
        }
        return replace(answer, reason=self.words(answer.reason), rows=rows)

    def preview(self, batch: Batch) -> str:
        """The first message, as text."""
        [message, *_] = messages_of(batch, self.rules.get(batch.audience))
        return message.body.decode()

    def missing(self) -> tuple[str, ...]:
        """Nothing: a queue keeps no audience."""
        return ()

    def words(self, said: object) -> str:
        """What a library said, in one line without secrets."""
        return mask(one_line(str(said)), self._secrets)


def messages_of(batch: Batch, rule: ActivationRule | None) -> list[Message]:
    """A message for each row; the same batch gives the same bytes."""
    event: dict[str, Any] = {"event": rule.event} if rule and rule.event else {}
    common = {"destination": batch.destination, "audience": batch.audience, **event}
    return [
        Message(
            row.key,
            row.customer_id,
            dump(
                {
                    "key": row.key,
                    "operation": row.operation,
                    **common,
                    **row.payload,
                    "customer_id": row.customer_id,
                }
            ),
        )
        for row in batch.rows
    ]


def checked_queue_url(url: SecretStr, schemes: Sequence[str]) -> SecretStr:
    """The URL, which must have one of the schemes and a host."""
    try:
        parts = urlsplit(url.get_secret_value())
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(f"not a URL of {' or '.join(f'{s}://' for s in schemes)}")
    return url


def host_of(url: SecretStr) -> str:
    """The host of a URL, for a person."""
    return urlsplit(url.get_secret_value()).hostname or "the queue"


def _password_in(url: str) -> list[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return []
    return [password, unquote(password)] if password else []

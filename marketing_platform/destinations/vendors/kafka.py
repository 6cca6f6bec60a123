"""Apache Kafka: a record a row, acknowledged by all replicas in sync.

https://docs.confluent.io/platform/current/clients/librdkafka/html/md_CONFIGURATION.html. A record's
key is the customer, so that what is told of one stays in its order; its header `key` is the row's.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic import SecretStr, field_validator

from marketing_platform.destinations.answers import stop
from marketing_platform.destinations.base import Answer, Place, RowAnswer
from marketing_platform.destinations.http import plain
from marketing_platform.destinations.queues import Message, QueueDestination, QueueSettings

_NOT_ALLOWED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
# What says that a record was certainly not written.
_NOT_WRITTEN = frozenset(
    {
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError._QUEUE_FULL,
        KafkaError._PURGE_QUEUE,
    }
)
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})


class KafkaDestination(QueueSettings):
    """`brokers` are `host:port`, with commas between them."""

    brokers: str
    # The topic of rules that name no `audience`.
    topic: str = "marketing"
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    user: str | None = None
    password: SecretStr | None = None

    @field_validator("brokers")
    @classmethod
    def _addresses(cls, brokers: str) -> str:
        if not re.fullmatch(r"[^\s,]+:\d+(,[^\s,]+:\d+)*", brokers):
            raise ValueError("write host:port, with commas between several")
        return brokers


class Kafka(QueueDestination):
    """Topics of one cluster; a rule's `audience` is a topic."""

    def __init__(self, name: str, settings: KafkaDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings
        self._producer: Producer | None = None

    async def publish(self, messages: Sequence[Message], to: str | None) -> Answer:
        """Write the records and wait for what the brokers say of each."""
        return await asyncio.to_thread(self._publish, messages, to or self._settings.topic)

    async def close(self) -> None:
        """Let go of the connections; nothing waits in them."""
        self._producer = None

    def _publish(self, messages: Sequence[Message], topic: str) -> Answer:
        seconds = self._settings.timeout_seconds
        try:
            producer = self._open()
            # Before it answers, nothing can have been written.
            found = producer.list_topics(topic, timeout=seconds).topics[topic].error
        except KafkaException as error:
            return self._unreachable(error.args[0])
        if found and found.code() in _NOT_ALLOWED:
            return stop(f"may not write to the topic {topic!r}")
        if found and found.code() in _NO_TOPIC:
            return stop(f"there is no topic {topic!r}; create it first")
        told: dict[str, KafkaError | None] = {}
        for one in messages:
            self._produce(producer, topic, one, told)
        if producer.flush(seconds):
            # What is still under way is given up, and tells so.
            producer.purge()
            producer.flush(seconds)
            self._producer = None
        rows = {one.key: self._answer(told.get(one.key, _LOST)) for one in messages}
        statuses = {row.status for row in rows.values()}
        if statuses == {"unknown"}:
            return Answer("retry", next(iter(rows.values())).message, may_have_arrived=True)
        return Answer("accepted", rows=rows)

    def _produce(
        self, producer: Producer, topic: str, one: Message, told: dict[str, KafkaError | None]
    ) -> None:
        def on_delivery(error: KafkaError | None, _: object) -> None:
            told[one.key] = error

        try:
            producer.produce(
                topic,
                one.body,
                key=one.customer_id,
                headers=[("key", one.key.encode())],
                on_delivery=on_delivery,
            )
        except (KafkaException, BufferError) as error:
            first = error.args[0]
            told[one.key] = first if isinstance(first, KafkaError) else _FULL
        producer.poll(0)

    def _answer(self, error: KafkaError | None) -> RowAnswer:
        if error is None:
            return RowAnswer("ok")
        if error.code() in _TOO_LARGE:
            return RowAnswer("error", self.words(error.str()))
        if error.code() in _NOT_WRITTEN:
            return RowAnswer("later", self.words(error.str()))
        return RowAnswer("unknown", self.words(error.str()))

    def _unreachable(self, error: KafkaError) -> Answer:
        if error.code() in _NOT_ALLOWED:
            return stop(f"refuses the credentials ({self.words(error.str())})")
        return Answer("retry", f"no broker answers: {self.words(error.str())}")

    def _open(self) -> Producer:
        if self._producer is None:
            settings = self._settings
            config: dict[str, Any] = {
                "bootstrap.servers": settings.brokers,
                "client.id": "marketing-platform",
                "security.protocol": settings.security,
                # A record is written once however often the library tries.
                "enable.idempotence": True,
                "delivery.timeout.ms": int(settings.timeout_seconds * 1000),
                "socket.timeout.ms": max(10, int(settings.timeout_seconds * 1000)),
            }
            if settings.security.startswith("sasl"):
                config["sasl.mechanism"] = settings.mechanism
                config["sasl.username"] = settings.user or ""
                config["sasl.password"] = plain(settings.password)
            self._producer = Producer(config, logger=_QUIET)
        return self._producer


_LOST = KafkaError(KafkaError._TIMED_OUT)
_FULL = KafkaError(KafkaError._QUEUE_FULL)
# What it says of brokers is told by its errors too.
_QUIET = logging.getLogger(__name__)
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

SETTINGS = KafkaDestination
DESTINATION = Kafka

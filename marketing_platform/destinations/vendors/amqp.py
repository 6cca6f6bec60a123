"""RabbitMQ and whatever else speaks AMQP 0-9-1: a persistent message a row, each confirmed.

https://www.rabbitmq.com/docs/confirms. The message id is the row's key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aiormq import exceptions
from pydantic import SecretStr, field_validator

from marketing_platform.destinations.answers import stop
from marketing_platform.destinations.base import Answer, Place, RowAnswer
from marketing_platform.destinations.queues import (
    Message,
    QueueDestination,
    QueueSettings,
    checked_queue_url,
    host_of,
)


class AmqpDestination(QueueSettings):
    """`url` is `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS.

    The exchange and what is bound to it must be there. Without `exchange` it is the default one,
    and the routing key is the name of a queue.
    """

    url: SecretStr
    exchange: str = ""
    # Of rules that name no `audience`.
    routing_key: str = "marketing"

    @field_validator("url")
    @classmethod
    def _of_amqp(cls, url: SecretStr) -> SecretStr:
        return checked_queue_url(url, ("amqp", "amqps"))


class Amqp(QueueDestination):
    """An exchange; a rule's `audience` is a routing key."""

    def __init__(self, name: str, settings: AmqpDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    async def publish(self, messages: Sequence[Message], to: str | None) -> Answer:
        """Publish all and wait for what the broker says of each."""
        host = host_of(self._settings.url)
        key = to or self._settings.routing_key
        try:
            exchange = await self._exchange()
        except (exceptions.ProbableAuthenticationError, exceptions.AuthenticationError):
            return stop("refuses the credentials")
        except exceptions.ChannelNotFoundEntity:
            await self.close()
            return stop(f"there is no exchange {self._settings.exchange!r}; declare it first")
        except (exceptions.ChannelAccessRefused, exceptions.ConnectionNotAllowed) as error:
            await self.close()
            return stop(f"may not use the exchange ({self.words(error)})")
        except (exceptions.AMQPError, OSError, TimeoutError) as error:
            await self.close()
            return Answer("retry", f"no connection to {host}: {self.words(error)}")
        told = await asyncio.gather(*(self._tell(exchange, one, key) for one in messages))
        rows = {one.key: answer for one, answer in zip(messages, told, strict=True)}
        if any(answer.status == "unknown" for answer in told):
            await self.close()
        if {answer.status for answer in told} == {"unknown"}:
            return Answer("retry", told[0].message, may_have_arrived=True)
        if all(answer.message == _UNROUTABLE for answer in told):
            return stop(f"no queue is bound to {self._settings.exchange or 'it'} with {key!r}")
        return Answer("accepted", rows=rows)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection:
            try:
                await connection.close()
            except (exceptions.AMQPError, OSError):
                # Whatever it says: it is closed.
                return

    async def _tell(self, exchange: AbstractExchange, one: Message, key: str) -> RowAnswer:
        message = aio_pika.Message(
            one.body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=one.key,
            app_id="marketing-platform",
        )
        try:
            await exchange.publish(message, key, timeout=self._settings.timeout_seconds)
        except exceptions.PublishError:
            return RowAnswer("error", _UNROUTABLE)
        except exceptions.DeliveryError:
            return RowAnswer("later", "the broker does not take it now")
        except (exceptions.AMQPError, OSError, TimeoutError) as error:
            return RowAnswer("unknown", f"the connection broke off: {self.words(error)}")
        return RowAnswer("ok")

    async def _exchange(self) -> AbstractExchange:
        if self._channel is None or self._channel.is_closed:
            await self.close()
            self._connection = await aio_pika.connect(
                self._settings.url.get_secret_value(), timeout=self._settings.timeout_seconds
            )
            self._channel = await self._connection.channel(on_return_raises=True)
        if not self._settings.exchange:
            return self._channel.default_exchange
        return await self._channel.get_exchange(self._settings.exchange, ensure=True)


_UNROUTABLE = "no queue takes it"

SETTINGS = AmqpDestination
DESTINATION = Amqp

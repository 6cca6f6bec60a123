"""Message queues: real servers take the rows, and what they refuse is told row by row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aio_pika
import pytest
import redis
from confluent_kafka import Consumer, Producer
from queue_servers import PASSWORD, free_port, rabbitmq_server, redis_server
from vendor_calls import ADA, ATTRIBUTES, BOB, row

from marketing_platform.destinations.base import Answer, Batch, Row
from marketing_platform.destinations.queues import QueueDestination
from marketing_platform.destinations.registry import make_destination
from marketing_platform.settings import Platform, Settings

BOTH = (row(ADA), row(BOB, "remove"))


def made(declared: dict[str, Any], **rule: Any) -> QueueDestination:
    told = {"segment": "vip", "destination": "it", "attributes": ATTRIBUTES, **rule}
    platform = Platform.model_validate({"destinations": {"it": declared}, "activations": [told]})
    settings = Settings.model_construct(platform=platform, data_dir=Path(), config_dir=Path())
    destination = make_destination("it", settings)
    assert isinstance(destination, QueueDestination)
    return destination


def send(destination: QueueDestination, *batches: tuple[Row, ...]) -> list[Answer]:
    """What is answered to batches, one after the other."""

    async def all_of_them() -> list[Answer]:
        [audience] = destination.rules
        try:
            return [await destination.send(Batch("b", "it", audience, rows)) for rows in batches]
        finally:
            await destination.close()

    return asyncio.run(all_of_them())


def statuses(answer: Answer) -> dict[str, str]:
    return {key: told.status for key, told in answer.rows.items()}


# Redis


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture
def server(redis_port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_port, password=PASSWORD, decode_responses=True) as client:
        yield client
        client.config_set("maxmemory", 0)
        client.flushall()


def of_redis(port: int, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    url = f"redis://:{quote(password, safe='')}@127.0.0.1:{port}/0"
    return {"type": "redis_streams", "url": url, **more}


def test_a_batch_becomes_entries_of_a_stream_in_its_order(
    server: redis.Redis, redis_port: int
) -> None:
    [answer] = send(made(of_redis(redis_port)), BOTH)
    assert answer == Answer("accepted")
    entries = [fields for _, fields in server.xrange("marketing")]
    assert [entry["key"] for entry in entries] == ["key-c1", "key-c2"]
    first, second = (json.loads(entry["body"]) for entry in entries)
    assert first["operation"] == "add"
    assert first["audience"] == "vip"
    assert first["email"] == "ada@example.com"
    assert second["operation"] == "remove"


def test_a_rule_may_name_its_own_stream_or_an_event(server: redis.Redis, redis_port: int) -> None:
    send(made(of_redis(redis_port), audience="vips"), BOTH)
    send(made(of_redis(redis_port), event="Became a VIP"), BOTH)
    assert server.xlen("vips") == 2
    [(_, first), _] = server.xrange("marketing")
    assert json.loads(first["body"])["event"] == "Became a VIP"


def test_a_stream_is_cut_to_about_the_length_that_is_set(
    server: redis.Redis, redis_port: int
) -> None:
    many = tuple(row({**ADA, "customer_id": f"c{n}"}) for n in range(400))
    send(made(of_redis(redis_port, max_length=100)), *(many,) * 5)
    assert 100 <= server.xlen("marketing") < 400


def test_a_wrong_password_stops_and_is_shown_nowhere(server: redis.Redis, redis_port: int) -> None:
    [answer] = send(made(of_redis(redis_port, password="hunter2/")), BOTH)
    assert answer.kind == "stop"
    assert "refuses the credentials" in answer.reason
    assert "hunter2" not in answer.reason


def test_what_is_no_stream_stops_and_nothing_is_added(server: redis.Redis, redis_port: int) -> None:
    server.set("marketing", "something else")
    [answer] = send(made(of_redis(redis_port)), BOTH)
    assert answer == Answer("stop", "marketing is there and is no stream", is_counted=False)


def test_a_full_redis_adds_all_or_nothing(server: redis.Redis, redis_port: int) -> None:
    server.config_set("maxmemory", 1)
    [answer] = send(made(of_redis(redis_port)), BOTH)
    assert answer.kind == "retry"
    assert not answer.may_have_arrived
    assert server.xlen("marketing") == 0


def test_a_redis_that_is_silent_after_it_was_asked_may_have_added(
    server: redis.Redis, redis_port: int
) -> None:
    server.client_pause(2000, all=False)
    first, second = send(made(of_redis(redis_port, timeout_seconds=0.5)), BOTH, ())
    assert first.kind == "retry"
    assert first.may_have_arrived
    server.client_unpause()
    assert second.kind in ("accepted", "retry")


def test_a_redis_that_is_not_there_has_certainly_not_added() -> None:
    [answer] = send(made(of_redis(free_port())), BOTH)
    assert answer.kind == "retry"
    assert not answer.may_have_arrived
    assert "no connection to 127.0.0.1" in answer.reason


# RabbitMQ


@pytest.fixture(scope="module")
def rabbit_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as port:
        yield port


def of_rabbit(port: int, pair: str = "guest:guest", **more: Any) -> dict[str, Any]:
    return {"type": "amqp", "url": f"amqp://{pair}@127.0.0.1:{port}/", **more}


class Queue:
    """A queue of the broker, declared for one test."""

    def __init__(self, port: int, name: str, **arguments: Any) -> None:
        self._url, self._name, self._arguments = of_rabbit(port)["url"], name, arguments
        asyncio.run(self._declare())

    async def _declare(self) -> None:
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(self._name, durable=True, arguments=self._arguments)

    def messages(self) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """Take what is in it."""
        return asyncio.run(self._take())

    async def _take(self) -> list[aio_pika.abc.AbstractIncomingMessage]:
        taken = []
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(self._name)
            while message := await queue.get(fail=False, no_ack=True):
                taken.append(message)
        return taken


def test_a_batch_becomes_persistent_messages_that_are_known_again_by_their_key(
    rabbit_port: int,
) -> None:
    queue = Queue(rabbit_port, "vips")
    [answer] = send(made(of_rabbit(rabbit_port), audience="vips"), BOTH)
    assert statuses(answer) == {"key-c1": "ok", "key-c2": "ok"}
    first, second = queue.messages()
    assert (first.message_id, second.message_id) == ("key-c1", "key-c2")
    assert first.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert json.loads(first.body)["email"] == "ada@example.com"


def test_what_a_full_queue_refuses_is_told_later_and_the_rest_is_sent(rabbit_port: int) -> None:
    queue = Queue(rabbit_port, "small", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    many = tuple(row({**ADA, "customer_id": f"c{n}"}) for n in range(20))
    [answer] = send(made(of_rabbit(rabbit_port, routing_key="small")), many)
    taken = {message.message_id for message in queue.messages()}
    assert taken == {key for key, status in statuses(answer).items() if status == "ok"}
    assert set(statuses(answer).values()) == {"ok", "later"}


def test_a_key_that_no_queue_is_bound_to_stops_instead_of_losing_rows(rabbit_port: int) -> None:
    [answer] = send(made(of_rabbit(rabbit_port, routing_key="nowhere")), BOTH)
    assert answer.kind == "stop"
    assert "no queue is bound" in answer.reason


def test_an_exchange_that_is_not_there_is_told(rabbit_port: int) -> None:
    [answer] = send(made(of_rabbit(rabbit_port, exchange="none")), BOTH)
    assert answer.kind == "stop"
    assert "there is no exchange 'none'" in answer.reason


def test_a_wrong_password_of_the_broker_stops(rabbit_port: int) -> None:
    [answer] = send(made(of_rabbit(rabbit_port, pair="guest:hunter2")), BOTH)
    assert answer == Answer("stop", "refuses the credentials", is_counted=False)


def test_a_broker_that_is_not_there_has_certainly_not_taken() -> None:
    [answer] = send(made(of_rabbit(free_port())), BOTH)
    assert answer.kind == "retry"
    assert not answer.may_have_arrived


def test_a_broker_that_breaks_off_may_have_taken(rabbit_port: int) -> None:
    Queue(rabbit_port, "broken")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes on what is said until a message comes, then hangs up."""
        theirs, to_them = await asyncio.open_connection("127.0.0.1", rabbit_port)

        async def back() -> None:
            while data := await theirs.read(65536):
                writer.write(data)

        copying = asyncio.create_task(back())
        while (data := await reader.read(65536)) and b"ada@example.com" not in data:
            to_them.write(data)
        copying.cancel()
        to_them.close()
        writer.close()

    async def cut_off() -> Answer:
        front = await asyncio.start_server(forward, "127.0.0.1", 0)
        port = front.sockets[0].getsockname()[1]
        destination = made(of_rabbit(port, routing_key="broken", timeout_seconds=2))
        try:
            [audience] = destination.rules
            return await destination.send(Batch("b", "it", audience, BOTH))
        finally:
            await destination.close()
            front.close()

    answer = asyncio.run(cut_off())
    assert answer.kind == "retry"
    assert answer.may_have_arrived


# Kafka


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    # The broker that comes with the client library speaks the protocol on the loopback.
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
    [broker] = cluster.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    cluster.flush(1)


def test_a_batch_becomes_records_of_a_topic_by_customer(broker: str) -> None:
    [answer] = send(made({"type": "kafka", "brokers": broker}, audience="vips"), BOTH)
    assert statuses(answer) == {"key-c1": "ok", "key-c2": "ok"}
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "it", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["vips"])
    records = [consumer.poll(20) for _ in BOTH]
    consumer.close()
    told = {record.key(): record for record in records if record}
    assert set(told) == {b"c1", b"c2"}
    assert told[b"c1"].headers() == [("key", b"key-c1")]
    assert json.loads(told[b"c2"].value())["operation"] == "remove"


def test_a_record_that_is_too_large_fails_alone(broker: str) -> None:
    large = row({**BOB, "first_name": "x" * 2_000_000})
    [answer] = send(made({"type": "kafka", "brokers": broker}), (row(ADA), large))
    assert statuses(answer) == {"key-c1": "ok", "key-c2": "error"}


def test_brokers_that_are_not_there_have_certainly_not_written() -> None:
    brokers = f"127.0.0.1:{free_port()}"
    [answer] = send(made({"type": "kafka", "brokers": brokers, "timeout_seconds": 1}), BOTH)
    assert answer.kind == "retry"
    assert not answer.may_have_arrived
    assert "no broker answers" in answer.reason


@pytest.mark.parametrize(
    ("declared", "mend"),
    [
        ({"type": "redis_streams", "url": "http://host"}, "not a URL of redis:// or rediss://"),
        ({"type": "amqp", "url": "rabbit"}, "not a URL of amqp:// or amqps://"),
        ({"type": "kafka", "brokers": "host"}, "write host:port"),
    ],
)
def test_an_address_that_is_none_is_told_with_the_settings(
    declared: dict[str, Any], mend: str
) -> None:
    with pytest.raises(ValueError, match=mend):
        Platform.model_validate({"destinations": {"it": declared}})

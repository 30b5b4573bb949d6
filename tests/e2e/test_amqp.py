# SPDX-License-Identifier: Apache-2.0
"""AMQP 0-9-1: RabbitMQ, and a client in Python that knows what it published and was given."""
import collections

import pika
import pytest

import brokers
from messages import (PARENT, TRACE, TRACEPARENT, CountingAgent, called, check_ends, check_told,
                      column, delivered, links, named, published)

OPENED = called("connection.start-ok", "connection.open", "channel.open")
CLOSED = called("channel.close", "connection.close")


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory):
    with brokers.RabbitMq(tmp_path_factory.mktemp("amqp")) as running:
        yield running


class Client:
    """A connection with a channel. A context manager."""

    def __init__(self, port, password="guest"):
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", port, credentials=pika.PlainCredentials("guest", password)))
        self.channel = self.connection.channel()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.connection.is_open:
            self.connection.close()

    def new_queue(self, name):
        self.channel.queue_declare(name)
        self.channel.queue_purge(name)

    def publish(self, exchange, key, body=b"hello", mandatory=False, **properties):
        self.channel.basic_publish(exchange, key, body, pika.BasicProperties(**properties),
                                   mandatory=mandatory)

    def take(self, queue, count, ack=True):
        """Consumes so many messages."""
        taken = []

        def note(channel, method, properties, body):
            taken.append(body)
            if ack:
                channel.basic_ack(method.delivery_tag)
            if len(taken) == count:
                channel.stop_consuming()

        self.channel.basic_consume(queue, note, auto_ack=not ack)
        self.channel.start_consuming()
        assert len(taken) == count
        return taken


def test_publish_and_deliver(tracing, rabbitmq):
    trace = tracing("--port", rabbitmq.port)
    sizes = [0, 5, 300_000]
    with Client(rabbitmq.port) as client:
        client.new_queue("orders")
        client.channel.exchange_declare("shop", "topic")
        client.channel.queue_bind("orders", "shop", "order.*")
        trace.wait_spans(14)
        for size in sizes:
            client.publish("shop", "order.new", b"x" * size, message_id="m1", correlation_id="c1")
        client.channel.confirm_delivery()
        client.publish("", "orders")
        assert [len(body) for body in client.take("orders", 4)] == [*sizes, 5]
    spans = check_told(
        trace, OPENED, CLOSED,
        called("queue.declare orders", "queue.purge orders", "exchange.declare shop",
               "queue.bind orders", "confirm.select", "consume orders", "cancel"),
        called("ack", times=4), published("publish shop:order.new", times=3),
        published("publish orders"), delivered("deliver shop:order.new:orders", times=3),
        delivered("deliver orders"))
    check_ends(spans)
    for kind, name in (("PRODUCER", "publish shop:order.new"),
                       ("CONSUMER", "deliver shop:order.new:orders")):
        ours = named(spans, name, kind)
        # those that one call carries begin at one moment
        assert sorted(column(ours, "messaging.message.body.size")) == sizes
        for key, value in {
                "messaging.system": "rabbitmq", "messaging.message.id": "m1",
                "messaging.message.conversation_id": "c1",
                "messaging.rabbitmq.destination.routing_key": "order.new",
                "messaging.operation.name": name.split()[0],
                "messaging.operation.type": "send" if kind == "PRODUCER" else "process",
                "server.address": "127.0.0.1", "server.port": rabbitmq.port}.items():
            assert column(ours, key) == [value] * 3, key
    assert column(named(spans, "ack", "CLIENT"), "messaging.operation.type") == ["settle"] * 4


def test_context(tracing, rabbitmq):
    trace = tracing("--port", rabbitmq.port)
    with Client(rabbitmq.port) as client:
        client.new_queue("orders")
        for _ in range(3):
            client.publish("", "orders", headers={"number": 7, "traceparent": TRACEPARENT})
        method, _, body = client.channel.basic_get("orders", auto_ack=True)
        assert body == b"hello" and method.delivery_tag == 1
        client.take("orders", 2, ack=False)
    spans = check_told(
        trace, OPENED, CLOSED, published("publish orders", times=3),
        delivered("deliver orders", times=2),
        called("queue.declare orders", "queue.purge orders", "get orders", "consume orders",
               "cancel"))
    check_ends(spans)
    assert {(s["traceId"], s["parentSpanId"]) for s in named(spans, "publish orders")} == \
        {(TRACE, PARENT)}
    for span in named(spans, "deliver orders") + named(spans, "get orders"):
        assert links(span) == [(TRACE, PARENT)] and span["traceId"] != TRACE
    assert column(named(spans, "get orders"), "messaging.operation.type") == ["receive"] * 2


def test_get_and_settle(tracing, rabbitmq):
    trace = tracing("--port", rabbitmq.port)
    with Client(rabbitmq.port) as client:
        client.new_queue("orders")
        trace.wait_spans(10)
        client.publish("", "orders", b"x" * 50_000)
        for settle in (client.channel.basic_nack, client.channel.basic_reject,
                       client.channel.basic_ack):
            method, _, body = client.channel.basic_get("orders")
            assert len(body) == 50_000
            settle(method.delivery_tag)
        assert client.channel.basic_get("orders") == (None, None, None)
    spans = check_told(
        trace, OPENED, CLOSED, published("publish orders"), called("get orders", times=4),
        called("queue.declare orders", "queue.purge orders", "nack", "reject", "ack"))
    check_ends(spans)
    got = named(spans, "get orders", "CLIENT")
    assert column(got, "messaging.rabbitmq.message.delivery_tag") == [1, 2, 3, None]
    assert column(got, "messaging.message.body.size") == [50_000] * 3 + [None]
    assert [s["status"] for s in spans] == ["UNSET"] * len(spans)


def test_errors(tracing, rabbitmq):
    trace = tracing("--port", rabbitmq.port)
    with Client(rabbitmq.port) as client:
        client.channel.confirm_delivery()
        with pytest.raises(pika.exceptions.UnroutableError):
            client.publish("amq.direct", "nobody", mandatory=True)
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            client.publish("nope", "orders")
        client.channel = client.connection.channel()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            client.channel.queue_declare("nope", passive=True)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        Client(rabbitmq.port, password="wrong")
    trace.stop()
    assert trace.account.lost == 0, trace.account
    check_ends(trace.spans)
    failed = [s for s in trace.spans if s["status"] == "ERROR"]
    told = collections.Counter((s["name"], s["attributes"]["error.type"]) for s in failed)
    assert told == {("return amq.direct:nobody", "312"): 2, ("channel.close", "404"): 2,
                    ("queue.declare nope", "404"): 2, ("connection.start-ok", "403"): 2}


def test_attached_in_the_middle(tracing, rabbitmq):
    with Client(rabbitmq.port) as client, Client(rabbitmq.port) as taker:
        client.new_queue("orders")
        client.publish("", "orders")
        taker.take("orders", 1)
        taken = []
        taker.channel.basic_consume("orders", lambda *told: taken.append(told[-1]), auto_ack=True)
        trace = tracing("--port", rabbitmq.port)
        for number in range(10):
            client.publish("", "orders", b"x" * 1000 * number,
                           headers={"traceparent": TRACEPARENT})
            while len(taken) <= number:
                taker.connection.process_data_events(0.1)
        client.channel.queue_declare("orders", passive=True)
    spans = check_told(
        trace, CLOSED, CLOSED, called("queue.declare orders", "cancel"),
        published("publish orders", times=10), delivered("deliver orders", times=10))
    check_ends(spans)
    assert sum(bool(links(s)) for s in named(spans, "deliver orders")) == 20


def test_full_speed(tmp_path, start, rabbitmq):
    count = 15000
    agent = start(CountingAgent(tmp_path, rabbitmq.port))
    with Client(rabbitmq.port) as giver, Client(rabbitmq.port) as taker:
        taker.new_queue("fast")
        agent.wait_spans(16)
        for _ in range(count):
            giver.publish("", "fast", b"a message")
        taker.take("fast", count)
    agent.check_full_speed(3 * count)  # published, delivered, acknowledged

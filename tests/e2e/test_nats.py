# SPDX-License-Identifier: Apache-2.0
"""NATS: a server with JetStream, and clients in Python that know what they said and were told."""
import asyncio

import nats
import pytest

import brokers
from messages import (PARENT, TRACE, TRACEPARENT, CountingAgent, called, check_ends, check_told,
                      column, delivered, links, named, published)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with brokers.Nats(tmp_path_factory.mktemp("nats")) as running:
        yield running


class Clients:
    """Two connections, a loop to drive them, and what came: `with Clients(port) as (loop, a, b)`."""

    def __init__(self, port, count=2):
        self.port, self.count, self.errors = port, count, []

    async def note_error(self, error):
        self.errors.append(str(error))

    def connect(self, password="right"):
        return nats.connect(f"nats://127.0.0.1:{self.port}", user="app", password=password,
                            allow_reconnect=False, error_cb=self.note_error)

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.all = [self.run(self.connect()) for _ in range(self.count)]
        return self

    def __exit__(self, *exc):
        for client in self.all:
            self.run(client.close())
        self.loop.close()

    def run(self, work):
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))


async def settle(*clients):
    """What they have said has been read. A flush overtakes what a client has not sent yet."""
    for client in clients:
        while client.pending_data_size:
            await asyncio.sleep(0)
        await client.flush()


def test_messages(tracing, server):
    async def talk(giver, taker):
        got = asyncio.Queue()
        await taker.subscribe("shop.*.new", queue="workers", cb=got.put)
        plain = await taker.subscribe("shop.all", cb=got.put)
        await settle(taker)
        for number in range(3):
            await giver.publish(f"shop.item{number}.new", b"x" * 100 * number)
        await giver.publish("shop.all", b"", headers={"Nats-Msg-Id": "m1", "colour": "red"})
        await giver.publish("nobody", b"hello")
        for _ in range(4):
            await got.get()
        await plain.unsubscribe()
        await settle(giver, taker)

    trace = tracing("--port", server.port)
    with Clients(server.port) as clients:
        clients.run(talk(*clients.all))
    spans = check_told(
        trace, called("subscribe shop.*.new", "subscribe shop.all", "unsubscribe shop.all"),
        published("publish shop.item0.new", "publish shop.item1.new", "publish shop.item2.new",
                  "publish shop.all", "publish nobody"),
        delivered("deliver shop.*.new", times=3), delivered("deliver shop.all"))
    check_ends(spans)
    taken = named(spans, "deliver shop.*.new", "CONSUMER")
    assert column(taken, "messaging.message.body.size") == [0, 100, 200]
    assert column(taken, "messaging.destination.name") == \
        [f"shop.item{number}.new" for number in range(3)]
    assert set(column(taken, "messaging.consumer.group.name")) == {"workers"}
    assert set(column(taken, "messaging.operation.type")) == {"process"}
    given, = named(spans, "publish shop.all", "PRODUCER")
    assert given["attributes"]["messaging.message.id"] == "m1"
    assert given["attributes"]["messaging.operation.type"] == "send"
    assert given["attributes"]["messaging.system"] == "nats"
    assert given["attributes"]["server.port"] == server.port


def test_context(tracing, server):
    async def talk(giver, taker):
        got = asyncio.Queue()
        await taker.subscribe("shop", cb=got.put)
        await settle(taker)
        for _ in range(5):
            await giver.publish("shop", b"hello", headers={"traceparent": TRACEPARENT})
            await got.get()

    trace = tracing("--port", server.port)
    with Clients(server.port) as clients:
        clients.run(talk(*clients.all))
    spans = check_told(trace, called("subscribe shop"), published("publish shop", times=5),
                       delivered("deliver shop", times=5))
    check_ends(spans)
    assert {(s["traceId"], s["parentSpanId"]) for s in named(spans, "publish shop")} == \
        {(TRACE, PARENT)}
    for span in named(spans, "deliver shop"):
        assert links(span) == [(TRACE, PARENT)] and span["traceId"] != TRACE


def test_requests(tracing, server):
    async def talk(asker, answerer):
        async def answer(message):
            await asyncio.sleep(0.02)
            await message.respond(b"yes")

        await answerer.subscribe("ask", cb=answer)
        await settle(answerer)
        answers = await asyncio.gather(*[asker.request("ask", b"?", timeout=20)
                                         for _ in range(20)])
        assert [a.data for a in answers] == [b"yes"] * 20
        with pytest.raises(nats.errors.NoRespondersError):
            await asker.request("nobody", b"?", timeout=20)

    trace = tracing("--port", server.port)
    with Clients(server.port) as clients:
        clients.run(talk(*clients.all))
    spans = check_told(trace, called("subscribe ask", "subscribe"),
                       published("request ask", times=20), published("request nobody"),
                       delivered("deliver ask", times=20), published("publish", times=20))
    check_ends(spans)
    for span in named(spans, "request ask", "PRODUCER"):
        assert span["endTimeUnixNano"] - span["startTimeUnixNano"] >= 20_000_000
        assert span["status"] == "UNSET"
    assert column(named(spans, "request nobody"), "error.type") == ["503", "503"]
    assert set(column(named(spans, "publish"), "messaging.destination.temporary")) == {True}


def test_errors(tracing, server):
    async def talk(client, errors):
        await client.publish("forbidden.x", b"hello")
        while not errors:
            await asyncio.sleep(0.01)

    trace = tracing("--port", server.port)
    with Clients(server.port, 1) as clients:
        clients.run(talk(*clients.all, clients.errors))
        assert any("permissions violation" in error for error in clients.errors)
    spans = check_told(trace, published("publish forbidden.x"), called("error"))
    check_ends(spans)
    assert column(named(spans, "error"), "error.type") == ["permissions_violation"] * 2


def test_refused(tracing, server):
    """The server resets the connection: what the client reads after that is not seen."""
    trace = tracing("--port", server.port)
    with Clients(server.port, 0) as clients:
        with pytest.raises(nats.errors.Error, match="(?i)authorization violation"):
            clients.run(clients.connect(password="wrong"))
    trace.stop()
    told, = named(trace.spans, "error", "CLIENT")
    assert told["attributes"]["error.type"] == "authorization_violation"
    assert told["status"] == "ERROR"


def test_jetstream(tracing, server):
    async def talk(client):
        stream = client.jetstream()
        await stream.add_stream(name="orders", subjects=["orders.>"])
        for _ in range(5):
            await stream.publish("orders.new", b"hello")
        puller = await stream.pull_subscribe("orders.>", "puller")
        for message in await puller.fetch(5, timeout=20):
            await message.ack()
        await settle(client)

    trace = tracing("--port", server.port)
    with Clients(server.port, 1) as clients:
        clients.run(talk(*clients.all))
    trace.stop()
    assert trace.account.lost == 0, trace.account
    spans = trace.spans
    check_ends(spans)
    assert len(named(spans, "request orders.new", "PRODUCER")) == 5
    assert len(named(spans, "deliver orders.new", "CONSUMER")) == 5
    assert len(named(spans, "fetch $JS.API.CONSUMER.MSG.NEXT.orders.puller", "CLIENT")) == 1
    settled = [s for s in spans if s["name"].startswith("settle $JS.ACK.orders.puller.")]
    assert column(settled, "messaging.operation.type") == ["settle"] * 10
    assert {s["kind"] for s in spans if s["name"].startswith("request $JS.API")} == \
        {"CLIENT", "SERVER"}


def test_attached_in_the_middle(tracing, server):
    async def prepare(giver, taker, got):
        async def answer(message):
            await message.respond(b"yes")

        await taker.subscribe("shop.*", cb=got.put)
        await taker.subscribe("ask", cb=answer)
        await settle(taker)
        await giver.publish("shop.first", b"hello")
        await giver.request("ask", b"?", timeout=20)
        await got.get()

    async def talk(giver, got):
        for _ in range(10):
            await giver.publish("shop.later", b"hello", headers={"traceparent": TRACEPARENT})
            await got.get()
            await giver.request("ask", b"?", timeout=20)

    with Clients(server.port) as clients:
        giver, taker = clients.all
        got = asyncio.Queue()
        clients.run(prepare(giver, taker, got))
        trace = tracing("--port", server.port)
        clients.run(talk(giver, got))
    spans = check_told(
        trace, published("publish shop.later", times=10), delivered("deliver shop.later", times=10),
        published("request ask", times=10), delivered("deliver ask", times=10),
        published("publish", times=10))
    check_ends(spans)
    assert sum(bool(links(s)) for s in named(spans, "deliver shop.later")) == 20


@pytest.mark.parametrize("how, count", [("publish", 30000), ("request", 5000)])
def test_full_speed(tmp_path, start, server, how, count):
    async def publish(giver, taker):
        done, taken = asyncio.Event(), [0]

        async def take(_):
            taken[0] += 1
            if taken[0] == count:
                done.set()

        await taker.subscribe("fast", cb=take)
        await settle(taker)
        await giver.publish("fast", b"a message")
        await settle(giver)
        agent.wait_spans(6)  # until the kernel is told to copy more than the first 64 KiB
        for number in range(1, count):
            await giver.publish("fast", b"a message")
            while number - taken[0] > 2000:  # no more than 256 KiB at once are looked at
                await asyncio.sleep(0)
        await done.wait()

    async def request(asker, answerer):
        async def answer(message):
            await message.respond(b"yes")

        async def ask():
            for _ in range(count // 50):
                await asker.request("fast", b"a message", timeout=30)

        await answerer.subscribe("fast", cb=answer)
        await settle(answerer)
        await asker.request("fast", b"a message", timeout=30)
        agent.wait_spans(10)
        await asyncio.gather(*[ask() for _ in range(50)])

    agent = start(CountingAgent(tmp_path, server.port))
    with Clients(server.port) as clients:
        clients.run((publish if how == "publish" else request)(*clients.all))
    # Published and delivered; asked, delivered and answered.
    agent.check_full_speed(count * (2 if how == "publish" else 3))

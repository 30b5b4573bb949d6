# SPDX-License-Identifier: Apache-2.0
"""Kafka: a broker, librdkafka and the Java clients, which tell what they did."""
import json
import subprocess
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from checks import check_inside, of_kind
from net import accepts, free_port, left_halfway
from traced import ROOT, environment, wait_for

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%(controller_port)d
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:%(port)d,CONTROLLER://127.0.0.1:%(controller_port)d
log.dirs=%(dir)s/log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
"""
LOAD = 10000


def traceparent(number):
    return f"00-{number:032x}-{number:016x}-01"


def ids(number):
    return {"traceId": f"{number:032x}", "spanId": f"{number:016x}"}


class Broker:
    """A node that is its own controller. A context manager."""

    def __init__(self, directory):
        self.directory, self.log = directory, directory / "output"
        self.port = free_port()
        self.names = iter(range(1, 1000))
        done = subprocess.run([ROOT / "tools/kafka"], check=True, text=True,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp",
                     done.stdout.strip()]

    def run(self, *command, told=None):
        """A Java program, fed with lines; returns the lines that it prints."""
        done = subprocess.run([*self.java, *map(str, command)],
                              input=told, stdin=None if told else subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=60, env=environment(), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def __enter__(self):
        properties = self.directory / "server.properties"
        properties.write_text(PROPERTIES % {"port": self.port, "controller_port": free_port(),
                                            "dir": self.directory})
        self.run("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", properties)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*self.java, "kafka.Kafka", properties], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env=environment())
        wait_for(lambda: accepts(self.port) or self.process.poll() is not None, "the broker", 60)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait(timeout=20)

    @property
    def settings(self):
        return {"bootstrap.servers": f"127.0.0.1:{self.port}"}

    def make_topic(self, partitions=1, **config):
        name = f"topic{next(self.names)}"
        admin = AdminClient(self.settings)
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()
        return name

    def make_group_known(self):
        """The first group that asks for its coordinator has to wait until there is one."""
        topic = self.make_topic()
        self.produce(topic, [(b"x", None)])
        with Reader(self, topic) as reader:
            reader.read(1)

    def producer(self, **more):
        return Producer({**self.settings, "client.id": "writer", "linger.ms": 0,
                         **{key.replace("_", "."): value for key, value in more.items()}})

    def produce(self, topic, messages, producer=None, partition=0):
        """Values with the number of a context or None; those that the broker took."""
        taken = []
        producer = producer or self.producer()
        for value, number in messages:
            headers = {"other": "x", "traceparent": traceparent(number)} if number else None
            producer.produce(topic, value, headers=headers, partition=partition,
                             on_delivery=lambda error, _: error or taken.append(value))
        producer.flush(30)
        return len(taken)


class Reader:
    """A consumer, as a group's only member or on its own. A context manager."""

    def __init__(self, broker, topic, group=True, **more):
        self.fetches = self.told = 0
        self.consumer = Consumer({**broker.settings, "client.id": "reader",
                                  "group.id": f"of-{topic}", "auto.offset.reset": "earliest",
                                  "enable.auto.commit": False, "fetch.wait.max.ms": 100,
                                  "statistics.interval.ms": 100, "stats_cb": self.count, **more})
        if group:
            self.consumer.subscribe([topic])
        else:
            self.consumer.assign([TopicPartition(topic, 0, 0)])

    def count(self, statistics):
        brokers = json.loads(statistics)["brokers"].values()
        self.fetches = sum(b["req"].get("Fetch", 0) for b in brokers)
        self.told += 1

    def cease(self):
        """Fetches no more; .fetches is what it did."""
        self.consumer.unassign()
        told, end = self.told, time.monotonic() + 10
        while self.told < told + 3:  # a fetch ends before the next statistics but one
            assert time.monotonic() < end, "no statistics"
            assert not self.consumer.poll(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.consumer.close()

    def read(self, cnt):
        messages, end = [], time.monotonic() + 30
        while len(messages) < cnt:
            assert time.monotonic() < end, f"{len(messages)} messages of {cnt}"
            message = self.consumer.poll(0.5)
            if message and not message.error():
                messages.append(message)
        return messages


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        running.make_group_known()
        yield running


def named(spans, operation, client):
    """Spans of a client's operation, at its end and at the broker's."""
    found = sorted((s for s in spans if s["attributes"]["messaging.operation.name"] == operation
                    and s["attributes"]["messaging.client.id"] == client),
                   key=lambda s: s["startTimeUnixNano"])
    return [s for s in found if s["kind"] != "SERVER"], of_kind(found, "SERVER")


def column(spans, key):
    return [s["attributes"].get(key) for s in spans]


def links(spans):
    return [link for s in spans for link in s.get("links", [])]


def was_closed(span):
    return span["attributes"].get("error.type") == "connection_closed"


def check_same(client, server):
    """Both ends tell the same, but of records that went through sendfile() only the client knows."""
    ours, theirs = client["attributes"], server["attributes"]
    learnt = "messaging.destination.name"  # a topic's id may get its name between the two ends
    assert client["status"] == server["status"], (client, server)
    assert client["name"] == server["name"] or (learnt in ours) != (learnt in theirs), \
        (client, server)
    keys = {key for key in {*ours, *theirs} if key.startswith(("messaging.", "error", "server."))}
    assert ours["messaging.system"] == "kafka"
    if ours["messaging.operation.name"] == "poll":
        assert not links([server])
        keys.discard("messaging.batch.message_count")
        if (learnt in ours) != (learnt in theirs):
            keys.discard(learnt)
    else:
        assert links([client]) == links([server])
    for key in keys:
        assert ours.get(key) == theirs.get(key), (client, server)


def check_ends(spans):
    """Each call is a span at both ends, of one trace; where a message has a parent, both are its
    children: these spans of the broker are returned. A client that closes its connection may have
    sent a call into the void, or not read its answer."""
    clients = {s["spanId"]: s for s in spans if s["kind"] != "SERVER"}
    servers = of_kind(spans, "SERVER")
    pairs = [(clients.pop(s["parentSpanId"]), s) for s in servers if s["parentSpanId"] in clients]
    for client, server in pairs:
        assert client["traceId"] == server["traceId"]
    answered = [pair for pair in pairs if not was_closed(pair[0])]
    for client, server in answered:
        check_same(client, server)
    check_inside(answered)
    paired = {server["spanId"] for _, server in pairs}
    of_messages = [s for s in servers if s["spanId"] not in paired]
    left = [s for s in clients.values() if not was_closed(s)]
    assert len(left) == len(of_messages), (left, of_messages)
    for client in left:
        parents = [s for s in of_messages if s["parentSpanId"] == client["parentSpanId"]]
        assert len(parents) == 1 and parents[0]["traceId"] == client["traceId"]
        check_same(client, parents[0])
    return of_messages


def finish(trace, broker):
    """A fetch of a client that left is over when the broker has waited as long as was asked."""
    wait_for(lambda: not left_halfway(broker.port), "the broker's last answers")
    trace.stop()
    assert trace.account.lost == 0, trace.account
    return trace.spans


def test_produce(tracing, broker):
    """One message has a parent; several have links."""
    topic = broker.make_topic(partitions=2)
    trace = tracing("--port", broker.port)
    producer = broker.producer(linger_ms=200)
    assert broker.produce(topic, [(b"one", 1)], producer) == 1
    assert broker.produce(topic, [(b"two", None)], producer, partition=1) == 1
    assert broker.produce(topic, [(b"three", 3), (b"four", 4), (b"five", None)], producer) == 3
    del producer
    spans = finish(trace, broker)
    sent, received = named(spans, "send", "writer")
    assert check_ends(spans) == received[:1]
    assert [s["kind"] for s in sent] == ["PRODUCER"] * 3
    assert {s["name"] for s in sent} == {f"send {topic}"}
    assert column(sent, "messaging.operation.type") == ["send"] * 3
    assert column(sent, "messaging.destination.name") == [topic] * 3
    assert column(sent, "messaging.destination.partition.id") == ["0", "1", "0"]
    assert column(sent, "messaging.batch.message_count") == [1, 1, 3]
    assert column(sent, "server.port") == [broker.port] * 3
    for span in (sent[0], received[0]):
        assert (span["traceId"], span["parentSpanId"]) == (ids(1)["traceId"], ids(1)["spanId"])
    assert [links([s]) for s in sent] == [[], [], [ids(3), ids(4)]]


@pytest.mark.parametrize("protocol, calls", [
    ("classic", {"FindCoordinator", "JoinGroup", "SyncGroup", "OffsetFetch", "LeaveGroup"}),
    ("consumer", {"FindCoordinator", "ConsumerGroupHeartbeat", "OffsetFetch"})])
def test_group(tracing, broker, protocol, calls):
    """A member of a group gets the messages of others, and links to where they were made."""
    topic = broker.make_topic()
    trace = tracing("--port", broker.port)
    broker.produce(topic, [(b"one", 1), (b"two", 2), (b"three", None)])
    with Reader(broker, topic, **{"group.protocol": protocol}) as reader:
        last = reader.read(3)[-1]
        reader.consumer.commit(last, asynchronous=False)
    spans = finish(trace, broker)
    check_ends(spans)
    assert calls <= set(column(spans, "messaging.operation.name"))
    polls, _ = named(spans, "poll", "reader")
    polls = [s for s in polls if s["attributes"].get("messaging.batch.message_count")]
    assert {(s["name"], s["kind"]) for s in polls} == {(f"poll {topic}", "CLIENT")}
    assert links(polls) == [ids(1), ids(2)]
    assert sum(column(polls, "messaging.batch.message_count")) == 3
    (commit,), _ = named(spans, "commit", "reader")
    assert commit["name"] == f"commit {topic}" and commit["kind"] == "CLIENT"
    assert commit["attributes"]["messaging.operation.type"] == "settle"
    for call in calls - {"FindCoordinator"} | {"commit"}:
        ours, _ = named(spans, call, "reader")
        assert set(column(ours, "messaging.consumer.group.name")) == {f"of-{topic}"}, call


def test_java(tracing, broker):
    """The Java clients speak the newest versions, in which topics have ids."""
    topic = broker.make_topic()
    trace = tracing("--port", broker.port)
    where = ["--bootstrap-server", f"127.0.0.1:{broker.port}", "--topic", topic]
    broker.run("org.apache.kafka.tools.ConsoleProducer", *where, "--property", "parse.headers=true",
               told=f"traceparent:{traceparent(7)}\tone\ntraceparent:{traceparent(8)}\ttwo\n")
    lines = broker.run("org.apache.kafka.tools.consumer.ConsoleConsumer", *where,
                       "--from-beginning", "--max-messages", 2)
    assert lines == ["one", "two"]
    spans = finish(trace, broker)
    check_ends(spans)
    sent, _ = named(spans, "send", "console-producer")
    assert [s["name"] for s in sent] == [f"send {topic}"]
    assert column(sent, "messaging.batch.message_count") == [2]
    assert links(sent) == [ids(7), ids(8)]
    polls, _ = named(spans, "poll", "console-consumer")
    assert links(polls) == [ids(7), ids(8)]
    assert polls[0]["name"] == f"poll {topic}"
    assert sum(s["attributes"].get("messaging.batch.message_count", 0) for s in polls) == 2


def test_errors(tracing, broker):
    """An operation fails with the name of its error, wherever the answer has it."""
    topic = broker.make_topic(**{"max.message.bytes": "1000"})
    trace = tracing("--port", broker.port)
    assert broker.produce("nosuch", [(b"x", None)], broker.producer(message_timeout_ms=500)) == 0
    assert broker.produce(topic, [(b"x" * 5000, None)]) == 0
    admin = AdminClient({**broker.settings, "client.id": "admin"})
    for future in (*admin.delete_topics(["nosuch"]).values(),
                   *admin.create_topics([NewTopic(topic, 1, 1)]).values()):
        with pytest.raises(KafkaException):
            future.result()
    del admin
    spans = finish(trace, broker)
    check_ends(spans)
    for operation, client, error in (("Metadata", "writer", "UNKNOWN_TOPIC_OR_PARTITION"),
                                     ("send", "writer", "MESSAGE_TOO_LARGE"),
                                     ("DeleteTopics", "admin", "UNKNOWN_TOPIC_OR_PARTITION"),
                                     ("CreateTopics", "admin", "TOPIC_ALREADY_EXISTS")):
        failed = [s for s in named(spans, operation, client)[0]
                  if s["status"] == "ERROR" and not was_closed(s)]
        assert failed and {s["attributes"]["error.type"] for s in failed} == {error}, operation
    assert [s["name"] for s in of_kind(spans, "PRODUCER")] == [f"send {topic}"]


def test_attach_in_mid_connection(tracing, broker):
    """Topics of which only ids are heard get their names when anybody is told of them."""
    topic = broker.make_topic()
    producer = broker.producer()
    broker.produce(topic, [(b"before", None)], producer)
    with Reader(broker, topic) as reader:
        reader.read(1)
        trace = tracing("--port", broker.port)
        trace.wait_spans(4)  # a fetch that was seen is under way
        for number in range(1, 11):
            assert broker.produce(topic, [(b"x", number)], producer) == 1
            reader.read(1)
            if number == 5:
                time.sleep(0.2)  # until the next fetch is under way
                AdminClient(broker.settings).list_topics(timeout=10)
    del producer
    spans = finish(trace, broker)
    assert len(check_ends(spans)) == 10
    sent, _ = named(spans, "send", "writer")
    assert [s["name"] for s in sent] == [f"send {topic}"] * 10
    assert [s["parentSpanId"] for s in sent] == [ids(number)["spanId"] for number in range(1, 11)]
    polls, _ = named(spans, "poll", "reader")
    got = [s for s in polls if links([s])]
    assert links(got) == [ids(number) for number in range(1, 11)]
    assert [s["name"] for s in got] == ["poll"] * 5 + [f"poll {topic}"] * 5


def test_full_speed(tracing, broker):
    """Each message is a request of its own, many of them under way."""
    topic = broker.make_topic()
    trace = tracing("--port", broker.port)
    with Reader(broker, topic, group=False) as reader:
        producer = broker.producer(batch_num_messages=1, acks=1, max_in_flight=100)
        assert broker.produce(topic, [(b"x", None)] * LOAD, producer) == LOAD
        reader.read(LOAD)
        reader.cease()
    wait_for(lambda: not left_halfway(broker.port), "the broker's last answers")
    trace.stop()
    spans, lost = trace.spans, trace.account.lost
    assert lost <= LOAD / 100, trace.account
    for ours in named(spans, "send", "writer"):
        assert abs(LOAD - len(ours) - lost) <= LOAD / 1000, (len(ours), trace.account)
        assert {s["name"] for s in ours} == {f"send {topic}"}
    for ours in named(spans, "poll", "reader"):
        assert abs(reader.fetches - len(ours) - lost) <= reader.fetches / 1000 + 2, \
            (reader.fetches, len(ours), trace.account)
    if lost == 0:
        check_ends(spans)

# SPDX-License-Identifier: Apache-2.0
"""MQTT: mosquitto, and clients in Python and C that know what they published and were given."""
import subprocess

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import brokers
from messages import (PARENT, TRACE, TRACEPARENT, CountingAgent, called, check_ends, check_told,
                      column, delivered, links, named, published)
from traced import environment, wait_for

VERSIONS = pytest.mark.parametrize("version", [mqtt.MQTTv311, mqtt.MQTTv5], ids=["3.1.1", "5"])


class Client:
    """Connected. Keeps what it was given and told."""

    def __init__(self, port, version, name, password=None):
        self.version = version
        self.messages, self.codes = [], {}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name,
                                  protocol=version, reconnect_on_failure=False)
        self.client.on_message = lambda *told: self.messages.append(told[-1])
        self.client.on_connect = lambda *told: self.codes.update(connect=told[3])
        self.client.on_subscribe = lambda *told: self.codes.update(subscribe=told[3])
        self.client.on_publish = lambda *told: self.codes.update(publish=told[3])
        if password:
            self.client.username_pw_set("app", password)
        self.client.connect("127.0.0.1", port)

    def __enter__(self):
        self.client.loop_start()
        wait_for(lambda: "connect" in self.codes, "the broker's answer")
        return self

    def __exit__(self, *exc):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic, qos=2):
        self.client.subscribe(topic, qos)
        wait_for(lambda: "subscribe" in self.codes, "the subscription")

    def publish(self, topic, qos, body=b"hello", **user):
        properties = None
        if self.version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = list(user.items())
        self.client.publish(topic, body, qos, properties=properties).wait_for_publish(10)

    def wait_messages(self, count):
        wait_for(lambda: len(self.messages) >= count, f"{count} messages")


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory):
    with brokers.Mosquitto(tmp_path_factory.mktemp("mqtt")) as running:
        yield running


@VERSIONS
def test_publish_and_deliver(tracing, mosquitto, version):
    trace = tracing("--port", mosquitto.port)
    with Client(mosquitto.port, version, "taker") as taker, \
            Client(mosquitto.port, version, "giver") as giver:
        taker.subscribe("shop/#")
        for qos in (0, 1, 2):
            giver.publish("shop/orders", qos, b"x" * 100 * qos)
            giver.publish("shop/17/stock", qos, b"")
        giver.publish("nobody", 1)
        taker.wait_messages(6)
    spans = check_told(
        trace, called("connect", "connect", "disconnect", "disconnect", "subscribe shop/#"),
        published("publish shop/orders", "publish shop/+/stock", times=3),
        published("publish nobody"),
        delivered("deliver shop/orders", "deliver shop/+/stock", times=3))
    check_ends(spans)
    assert sorted(m.qos for m in taker.messages) == [0, 0, 1, 1, 2, 2]
    assert set(column(named(spans, "connect"), "messaging.client.id")) == {"giver", "taker"}
    for kind, name in (("PRODUCER", "publish"), ("CONSUMER", "deliver")):
        ours = named(spans, f"{name} shop/orders", kind)
        assert sorted(column(ours, "messaging.message.body.size")) == [0, 100, 200]
        assert set(column(ours, "messaging.destination.name")) == {"shop/orders"}
        assert set(column(ours, "messaging.system")) == {"mqtt"}
        assert set(column(ours, "messaging.operation.type")) == \
            {"send" if kind == "PRODUCER" else "process"}
        assert set(column(ours, "server.port")) == {mosquitto.port}
        ours = named(spans, f"{name} shop/+/stock", kind)
        assert set(column(ours, "messaging.destination.name")) == {"shop/17/stock"}
        assert set(column(ours, "messaging.destination.template")) == {"shop/+/stock"}


def test_context(tracing, mosquitto):
    trace = tracing("--port", mosquitto.port)
    with Client(mosquitto.port, mqtt.MQTTv5, "taker") as taker, \
            Client(mosquitto.port, mqtt.MQTTv5, "giver") as giver:
        taker.subscribe("shop/#")
        for qos in (0, 1, 2):
            giver.publish("shop/orders", qos, traceparent=TRACEPARENT, colour="red")
        taker.wait_messages(3)
    spans = check_told(
        trace, called("connect", "connect", "disconnect", "disconnect", "subscribe shop/#"),
        published("publish shop/orders", times=3), delivered("deliver shop/orders", times=3))
    check_ends(spans)
    assert {(s["traceId"], s["parentSpanId"]) for s in named(spans, "publish shop/orders")} == \
        {(TRACE, PARENT)}
    for span in named(spans, "deliver shop/orders"):
        assert links(span) == [(TRACE, PARENT)] and span["traceId"] != TRACE


@VERSIONS
def test_reasons(tracing, mosquitto, version):
    trace = tracing("--port", mosquitto.port)
    with Client(mosquitto.port, version, "stranger", password="wrong") as refused:
        assert refused.codes["connect"].is_failure
    with Client(mosquitto.port, version, "giver", password="right") as giver:
        assert not giver.codes["connect"].is_failure
        giver.publish("forbidden/x", 1)
    trace.stop()
    assert trace.account.lost == 0
    failed = [s for s in trace.spans if s["status"] == "ERROR"]
    errors = {s["name"]: s["attributes"]["error.type"] for s in failed}
    if version == mqtt.MQTTv5:
        assert giver.codes["publish"].getName() == "Not authorized"
        assert errors.pop("publish forbidden/x") == "not_authorized"
    assert errors == {"connect": "not_authorized"}
    assert len(failed) == (4 if version == mqtt.MQTTv5 else 2)


@VERSIONS
def test_attached_in_the_middle(tracing, mosquitto, version):
    with Client(mosquitto.port, version, "taker") as taker, \
            Client(mosquitto.port, version, "giver") as giver:
        taker.subscribe("shop/#")
        giver.publish("shop/orders", 1)
        trace = tracing("--port", mosquitto.port)
        for qos in (1, 2, 0) * 3:
            giver.publish("shop/orders", qos, traceparent=TRACEPARENT)
        taker.wait_messages(10)
    spans = check_told(trace, published("publish shop/orders", times=9), called("disconnect"),
                       called("disconnect"), delivered("deliver shop/orders", times=9))
    check_ends(spans)
    linked = [s for s in named(spans, "deliver shop/orders") if links(s)]
    assert len(linked) == (18 if version == mqtt.MQTTv5 else 0)


@pytest.mark.parametrize("qos, count", [(0, 30000), (1, 10000), (2, 5000)])
def test_full_speed(tmp_path, start, mosquitto, qos, count):
    """The C client publishes as fast as it can, another counts what it is given."""
    where = ["-h", "127.0.0.1", "-p", str(mosquitto.port), "-t", "fast/lane", "-q", str(qos)]
    agent = start(CountingAgent(tmp_path, mosquitto.port))
    with subprocess.Popen(["mosquitto_sub", *where, "-C", str(count), "-i", f"counter{qos}"],
                          stdout=subprocess.PIPE, env=environment()) as taker:
        wait_for(lambda: f"counter{qos} {qos} fast/lane" in mosquitto.log.read_text(),
                 "the subscription")
        with subprocess.Popen(["mosquitto_pub", *where, "-l"], stdin=subprocess.PIPE,
                              env=environment()) as giver:
            giver.stdin.write(b"a message\n")
            giver.stdin.flush()
            agent.wait_spans(10)  # two connections, the subscription, the message
            giver.stdin.write(b"a message\n" * (count - 1))
            giver.stdin.close()
            assert giver.wait(timeout=60) == 0
        assert len(taker.communicate(timeout=60)[0].splitlines()) == count
    agent.check_full_speed(2 * count)

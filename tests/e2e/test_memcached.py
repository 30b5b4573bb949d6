# SPDX-License-Identifier: Apache-2.0
"""memcached: text, meta and binary commands; full speed, counted by the server."""
import contextlib
import re
import socket
import time

import bmemcached
import pymemcache
import pytest

import clients
import servers
from checks import check_inside, check_socket_parents, of_kind
from traced import Agent, check_counted

GETS = b"set key 0 0 3\r\nabc\r\nget key\r\nmg key v\r\n"
ANSWERS = b"STORED\r\nVALUE key 0 3\r\nabc\r\nEND\r\nVA 3\r\nabc\r\n"


@pytest.fixture
def server(tmp_path, start):
    return start(servers.Memcached(tmp_path))


def converse(server, lines):
    """Sends each and waits for its answer."""
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        for line, answer in lines:
            raw.sendall(line)
            received = b""
            while len(received) < len(answer):
                received += raw.recv(len(answer) - len(received))
            assert re.fullmatch(answer, received, re.S), (line, received)


def check_pairs(trace, texts):
    """Both ends of each command, in order."""
    pairs = check_socket_parents(trace.spans)
    check_inside(pairs)
    assert [c["attributes"]["db.query.text"] for c, _ in pairs] == texts
    for pair in pairs:
        for span in pair:
            a = span["attributes"]
            assert a["db.system.name"] == "memcached"
            assert span["name"] == a["db.operation.name"] == a["db.query.text"].split()[0]
    assert "secret" not in trace.stdout
    assert trace.account.lost == 0
    return pairs


def test_text(tracing, server):
    """By a real client, on a connection that was there before."""
    client = pymemcache.Client(("127.0.0.1", server.port), default_noreply=False)
    client.version()
    trace = tracing("--port", server.port)
    client.set("key", "secret value")
    assert client.get("key") == b"secret value"
    assert client.get("none") is None
    assert client.get_many(["key", "none"]) == {"key": b"secret value"}
    client.set("number", "1")
    assert client.incr("number", 5) == 6
    client.delete("none")
    assert client.touch("key", 10)
    with pytest.raises(pymemcache.MemcacheClientError):
        client.incr("key", 1)
    client.set("big", "secret" * 100_000)
    assert len(client.get("big")) == 600_000
    client.close()
    trace.stop()
    pairs = check_pairs(trace, [
        "set key ?", "get key", "get none", "get key none", "set number ?", "incr number ?",
        "delete none", "touch key ?", "incr key ?", "set big ?", "get big"])
    failed = [c["name"] for c, _ in pairs if c["status"] == "ERROR"]
    assert failed == ["incr"]
    assert {s["attributes"].get("error.type") for s in pairs[8]} == {"CLIENT_ERROR"}


def test_noreply(tracing, server):
    trace = tracing("--port", server.port)
    with contextlib.closing(pymemcache.Client(("127.0.0.1", server.port))) as client:
        client.set("key", "secret", noreply=True)
        assert client.get("key") == b"secret"
    trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert [c["name"] for c, _ in pairs] == ["set", "get"]
    assert trace.account.lost == 0


def test_meta(tracing, server):
    trace = tracing("--port", server.port)
    converse(server, [(b"mn\r\n", b"MN\r\n"), (b"ms key 6\r\nsecret\r\n", b"HD\r\n"),
                      (b"mg key v\r\n", b"VA 6\r\nsecret\r\n"), (b"mg none v\r\n", b"EN\r\n"),
                      (b"md key\r\n", b"HD\r\n")])
    trace.stop()
    names = [c["name"] for c, _ in check_socket_parents(trace.spans)]
    assert names == ["mn", "ms", "mg", "mg", "md"]
    assert "secret" not in trace.stdout and trace.account.lost == 0


def test_binary(tracing, server):
    client = bmemcached.Client((f"127.0.0.1:{server.port}",))
    trace = tracing("--port", server.port)
    assert client.set("key", "secret")
    assert client.get("key") == "secret"
    assert client.get("none") is None
    assert client.set_multi({"a": "secret", "b": "secret"}) == []
    assert client.get_multi(["a", "b"]) == {"a": "secret", "b": "secret"}
    assert client.delete("key")
    client.disconnect_all()
    trace.stop()
    spans = of_kind(trace.spans, "CLIENT")
    assert len(spans) == len(of_kind(trace.spans, "SERVER"))
    names = [s["name"] for s in spans]
    assert [n for n in names if n in ("set", "get", "delete")][:3] == ["set", "get", "get"]
    assert "delete" in names
    assert "secret" not in trace.stdout and trace.account.lost == 0


@pytest.fixture
def connections(server):
    """Opened, and used, before anything is traced."""
    with clients.open_connections(server.port, 8) as opened:
        for connection in opened:
            exchange_batch(connection, 1)
        yield opened


def exchange_batch(connection, depth):
    clients.exchange(connection, GETS * depth, len(ANSWERS) * depth)


@pytest.mark.parametrize("depth", [1, 10])
def test_full_speed(tmp_path, server, connections, depth):
    """Three commands a batch; spans + lost = commands."""
    config = {"targets": {"ports": [server.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        made, end = 0, time.monotonic() + 4
        while time.monotonic() < end:
            for connection in connections:
                exchange_batch(connection, depth)
                made += 3 * depth
        metrics = agent.settled_metrics()
        agent.stop()
    check_counted(metrics, 2 * made)

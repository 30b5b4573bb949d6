# SPDX-License-Identifier: Apache-2.0
"""Redis: redis-benchmark at full speed, counted by the server; and what a client does, by the client."""
import socket
import subprocess
import time

import pytest
import redis

import clients
import servers
from checks import check_inside, check_socket_parents, of_kind
from traced import Agent, check_counted, check_steady, environment, lost, wait_for


@pytest.fixture
def server(tmp_path, start):
    return start(servers.Redis(tmp_path))


@pytest.fixture
def client(server):
    with redis.Redis(port=server.port) as connected:
        connected.ping()
        yield connected


def blast(server, *args):
    subprocess.run(["redis-benchmark", "-p", str(server.port), "-q", *map(str, args)], check=True,
                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment())


SET_GET = (b"*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$3\r\nabc\r\n"
           b"*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n")
ANSWERS = b"+OK\r\n$3\r\nabc\r\n"


def exchange_batch(connection, depth):
    clients.exchange(connection, SET_GET * (depth // 2), len(ANSWERS) * (depth // 2))


@pytest.fixture
def connections(server):
    """Opened, and used, before anything is traced."""
    with clients.open_connections(server.port, 8) as opened:
        for connection in opened:
            exchange_batch(connection, 2)
        yield opened


def paced(connections, rate, seconds, depth=10):
    """Batches of commands at a fixed rate. Returns how many commands, and by how many seconds the latest was late."""
    begun, batches, late = time.monotonic(), int(rate * seconds) // depth, 0.0
    for n in range(batches):
        wait = begun + n * depth / rate - time.monotonic()
        late = max(late, -wait)
        time.sleep(max(0.0, wait))
        exchange_batch(connections[n % len(connections)], depth)
    return batches * depth, late


def operations(spans, kind="CLIENT"):
    return [s["name"] for s in of_kind(spans, kind)]


def text_of(span):
    return span["attributes"]["db.query.text"]


@pytest.mark.parametrize("depth, requests", [(1, 100_000), (32, 500_000)])
@pytest.mark.parametrize("targets, ends", [("server", 1), ("both", 2)])
def test_full_speed(tmp_path, server, depth, requests, targets, ends):
    """spans + lost by cause = commands, by the server's own count."""
    config = {"targets": {"ports": [server.port]}, "export": {"discard": True}}
    if targets == "server":
        config["targets"] = {"pids": [server.pid]}
    with Agent(tmp_path, config) as agent:
        server.forget_commands()
        blast(server, "-t", "set,get", "-n", requests // 2, "-P", depth)
        truth = server.commands()
        metrics = agent.settled_metrics()
        agent.stop()
    assert truth >= requests
    if targets == "server":
        truth += 2  # what was asked by the unix socket
    check_counted(metrics, ends * truth)


def test_full_speed_on_old_connections(tmp_path, connections, server):
    config = {"targets": {"ports": [server.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        for _ in range(1000):
            for connection in connections:
                exchange_batch(connection, 32)
        metrics = agent.settled_metrics()
        agent.stop()
    check_counted(metrics, 2 * 8000 * 32)


def test_nothing_is_lost_at_20000_per_second(tmp_path, connections, server):
    check_steady(tmp_path, server.port, lambda rate: paced(connections, rate, seconds=5))


def test_commands(tracing, server, client):
    """On a connection that was there before."""
    trace = tracing("--port", server.port)
    client.set("key", "secret value", ex=100)
    assert client.get("key") == b"secret value"
    client.hset("hash", mapping={"name": "secret", "mail": "secret"})
    client.mget("key", "none")
    client.blpop(["list"], timeout=0.1)
    with pytest.raises(redis.ResponseError):
        client.lpush("key", "secret")
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH", "secret")
    trace.stop()
    pairs = check_socket_parents(trace.spans)
    check_inside(pairs)
    assert [text_of(c) for c, _ in pairs] == [
        "SET key ? ? ?", "GET key", "HSET hash name ? mail ?", "MGET key none", "BLPOP list ?",
        "LPUSH key ?", "NOSUCH ?"]
    assert "secret" not in trace.stdout
    for sent, served in pairs:
        for span in (sent, served):
            a = span["attributes"]
            assert a["db.system.name"] == "redis" and span["name"] == a["db.operation.name"]
            assert (a["server.address"], a["server.port"]) == ("127.0.0.1", server.port)
            wrong = {"LPUSH": "WRONGTYPE", "NOSUCH": "ERR"}.get(span["name"])
            assert a.get("error.type") == a.get("db.response.status_code") == wrong
            assert span["status"] == ("ERROR" if wrong else "UNSET")
    assert trace.account.lost == 0


def test_pipeline_and_transaction(tracing, server, client):
    trace = tracing("--port", server.port)
    with client.pipeline(transaction=False) as pipe:
        for i in range(100):
            pipe.incr(f"counter:{i % 3}")
        assert len(pipe.execute()) == 100
    with client.pipeline() as pipe:
        pipe.set("text", "x").lpush("text", "y").get("text")
        with pytest.raises(redis.ResponseError):
            pipe.execute()
    trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert [c["name"] for c, _ in pairs] == ["INCRBY"] * 100 + ["MULTI", "SET", "LPUSH", "GET",
                                                              "EXEC"]
    for span in pairs[-1]:
        assert span["attributes"]["db.operation.batch.size"] == 3
        assert span["attributes"]["error.type"] == "WRONGTYPE"


@pytest.mark.parametrize("protocol", [2, 3])
def test_publish(tracing, server, client, protocol):
    with redis.Redis(port=server.port, protocol=protocol) as reader:
        trace = tracing("--port", server.port)
        subscriber = reader.pubsub()
        subscriber.subscribe("news", "sport")
        subscriber.psubscribe("n*")
        for _ in range(3):
            subscriber.get_message(timeout=5)
        for _ in range(5):
            assert client.publish("news", "hello") == 2
        received = [subscriber.get_message(timeout=5) for _ in range(10)]
        assert {m["type"] for m in received} == {"message", "pmessage"}
        subscriber.unsubscribe()
        subscriber.punsubscribe()
        for _ in range(3):
            subscriber.get_message(timeout=5)
        reader.ping()
        subscriber.close()
        trace.stop()
    for kind in ("CONSUMER", "PRODUCER"):
        told = of_kind(trace.spans, kind)
        assert sorted(s["name"] for s in told) == ["message"] * 5 + ["pmessage"] * 5
        assert {s["attributes"]["messaging.destination.name"] for s in told} == {"news"}
    for kind in ("CLIENT", "SERVER"):
        names = operations(trace.spans, kind)
        assert names.count("PUBLISH") == 5 and names.count("SUBSCRIBE") == 1
        assert names.count("UNSUBSCRIBE") == names.count("PUNSUBSCRIBE") == 1
        assert all(s["status"] == "UNSET" for s in of_kind(trace.spans, kind)
                   if s["name"] != "CLIENT")  # SETINFO, which old servers do not know
    assert trace.account.lost == 0


def test_databases(tracing, server):
    trace = tracing("--port", server.port)
    with redis.Redis(port=server.port, db=7) as client:
        client.set("a", "b")
    trace.stop()
    for kind in ("CLIENT", "SERVER"):
        of_name = {s["name"]: s["attributes"] for s in of_kind(trace.spans, kind)}
        assert of_name["SET"]["db.namespace"] == "7"
        assert "db.namespace" not in of_name["SELECT"]


def test_big_values(tracing, server, client):
    trace = tracing("--port", server.port)
    big = b"x" * 5_000_000
    client.ping()
    for _ in range(3):
        client.set("big", big)
        assert client.get("big") == big
        assert client.mget("big", "none", "big") == [big, None, big]
        client.mset({"a": big, "b": "1"})
        client.ping()
    trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert [c["name"] for c, _ in pairs] == ["PING"] + ["SET", "GET", "MGET", "MSET", "PING"] * 3
    assert trace.account.lost == 0


def test_unix_socket(tracing, server):
    trace = tracing("-p", server.pid)
    with redis.Redis(unix_socket_path=server.path) as client:
        client.set("a", "b")
    trace.stop()
    (span,) = [s for s in of_kind(trace.spans, "SERVER") if s["name"] == "SET"]
    assert span["attributes"]["server.address"] == server.path
    assert span["attributes"]["network.transport"] == "unix"


def test_inline_and_silent(tracing, server):
    """What people type; and CLIENT REPLY, after which nothing is answered."""
    trace = tracing("--port", server.port)
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        for line, answer in ((b"PING\r\n", b"+PONG\r\n"), (b"SET a secret\r\n", b"+OK\r\n"),
                             (b"CLIENT REPLY OFF\r\nINCR n\r\nINCR n\r\nCLIENT REPLY ON\r\n",
                              b"+OK\r\n"), (b"GET n\r\n", b"$1\r\n2\r\n")):
            raw.sendall(line)
            assert raw.recv(100) == answer
    trace.stop()
    for kind in ("CLIENT", "SERVER"):
        assert sorted(text_of(s) for s in of_kind(trace.spans, kind)) == [
            "CLIENT REPLY ?", "CLIENT REPLY ?", "GET n", "INCR n", "INCR n", "PING", "SET a ?"]
    assert trace.account.lost == 0


def test_attach_in_full_pipeline(tmp_path, server):
    """Of what was under way when sonde came nobody can tell which answer is whose; it is counted."""
    with subprocess.Popen(["redis-benchmark", "-p", str(server.port), "-q", "-t", "set", "-n",
                           "100000000", "-P", "32", "-c", "8"], stdout=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL) as benchmark:
        try:
            wait_for(lambda: server.commands() > 1000, "the benchmark to run")
            with Agent(tmp_path, {"targets": {"ports": [server.port], "pids": [server.pid]},
                                  "export": {"discard": True}}) as agent:
                counts = []
                for _ in range(2):
                    time.sleep(1)
                    before, metrics = server.commands(), agent.metrics()
                    counts.append((metrics["sonde_spans_total"] + lost(metrics), before,
                                   server.commands()))
                agent.stop()
        finally:
            benchmark.kill()
    (told, *_), (told_later, *_) = counts
    least, most = counts[1][1] - counts[0][2], counts[1][2] - counts[0][1]
    assert least * 0.8 < told_later - told < most * 1.2, counts  # sonde is some moments behind

# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC: every stream a span, however many at once, and what the client knows of each."""
import json
import subprocess

import pytest

import clients
import servers
from checks import of_kind, paired
from traced import Agent, check_counted, lost, stopped, wait_for

SERVERS = {"nginx": servers.NginxHttp2, "nghttpd": servers.Nghttpd}
PEERS = {"go": servers.GrpcGo, "python": servers.GrpcPython}
SERVICE = "shop.v1.Cart"
SERVER_ERRORS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
                 "DATA_LOSS"}
CALLS = [
    {"method": "Add", "say": "ok"},
    {"method": "Add", "say": "code 5"},
    {"method": "Add", "say": "code 13"},
    {"method": "Add", "say": "code 14"},
    {"method": "Nope", "say": "ok"},
    {"method": "List", "say": "many 5"},
    {"method": "List", "say": "code 8"},
    {"method": "Gather", "say": "ok"},
    {"method": "Gather", "say": "code 3"},
    {"method": "Talk", "say": "many 2"},
    {"method": "Talk", "say": "many 2", "cancel": True},
    {"method": "Add", "say": "sleep 3000", "timeout_ms": 200},
    {"method": "Add", "say": "ok"},
]


@pytest.mark.parametrize("streams, requests", [(1, 100), (8, 2000), (32, 2000), (128, 2000)])
@pytest.mark.parametrize("name", SERVERS)
def test_slow_is_exact(tmp_path, start, name, streams, requests):
    server = start(SERVERS[name](tmp_path))
    config = {"targets": {"ports": [server.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done = clients.h2load(server.url + "/small", requests, 4, streams, rate=400)
        metrics = agent.settled_metrics()
        agent.stop()
    assert done == requests
    assert (int(metrics["sonde_spans_total"]), lost(metrics)) == (2 * requests, 0)


# Without parallel streams each answer waits 40 ms for the acknowledgement of its head: few are enough.
@pytest.mark.parametrize("streams, requests", [(1, 400), (8, 50_000), (32, 100_000),
                                               (128, 100_000)])
@pytest.mark.parametrize("name", SERVERS)
def test_full_speed(tmp_path, start, name, streams, requests):
    server = start(SERVERS[name](tmp_path))
    config = {"targets": {"ports": [server.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done = clients.h2load(server.url + "/small", requests, 8, streams)
        metrics = agent.settled_metrics()
        agent.stop()
    assert done == requests
    check_counted(metrics, 2 * done)


def test_sonde_is_late(tracing, tmp_path, start):
    """A body of 10 MB passes before sonde could say what to copy: the kernel knows how HTTP/2 begins."""
    server = start(servers.NginxHttp2(tmp_path))
    trace = tracing("--port", server.port)
    with stopped(trace.process):
        got = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", server.url + "/big"],
                             check=True, timeout=60, stdout=subprocess.PIPE).stdout
    trace.stop()
    (pair,) = paired(trace.spans)
    assert [span["attributes"]["http.response.body.size"] for span in pair] == 2 * [len(got)]
    assert trace.account.lost == 0, trace.account


@pytest.mark.parametrize("name", SERVERS)
def test_spans(tracing, tmp_path, start, name):
    """What a span says; client and server in one trace."""
    server = start(SERVERS[name](tmp_path))
    trace = tracing("--port", server.port)
    clients.h2load(server.url + "/small?a=1", 50, 2, 5)
    if name == "nginx":
        clients.h2load(server.url + "/missing", 1, 1, 1)
    trace.stop()
    pairs = paired(trace.spans)
    assert len(pairs) == (51 if name == "nginx" else 50) and trace.account.lost == 0
    for client, served in pairs:
        assert client["traceId"] == served["traceId"]
        for span in (client, served):
            a = span["attributes"]
            missing = "/missing" in (a.get("url.path", "") + a.get("url.full", ""))
            assert a["http.request.method"] == "GET" and a["network.protocol.version"] == "2"
            assert a["http.response.status_code"] == (404 if missing else 200)
            assert missing or a["http.response.body.size"] == 612
            assert a["server.port"] == server.port
        assert served["name"].startswith("GET /") and client["name"] == "GET"
        if not missing:
            assert served["attributes"]["url.path"] == "/small"
            assert served["attributes"]["url.query"] == "a=REDACTED"
            assert client["attributes"]["url.full"] == server.url + "/small?a=REDACTED"


def test_upgrade(tracing, tmp_path, start, nginx):
    """From HTTP/1.1: the request that asks for it is one of that, what follows is HTTP/2."""
    proxy = start(servers.Nghttpx(tmp_path, nginx.port))
    trace = tracing("--port", proxy.port)
    truth = clients.curl_client(proxy.url, [clients.step(path=f"/items/{n}") for n in range(4)],
                                "--http2")
    trace.stop()
    assert [t["status"] for t in truth] == [200] * 4
    told = [(s["attributes"]["network.protocol.version"],
             s["attributes"]["http.response.status_code"]) for s in of_kind(trace.spans, "CLIENT")]
    assert told == [("1.1", 101)] + [("2", 200)] * 3
    assert len(paired(trace.spans)) == 4 and trace.account.lost == 0


def test_older_connections(tmp_path, start):
    """Connections that were there before: each further request is counted, by nginx's own count,
    but for those under way at that moment."""
    server = start(servers.NginxHttp2(tmp_path))
    load = start(clients.start_h2load(server.url + "/small", 4000, 4, 8, 250))
    wait_for(lambda: server.requests() > 100, "the load")
    config = {"targets": {"ports": [server.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        agent.wait_spans(100)
        with stopped(load):  # so that both are asked at the same moment
            at_start = agent.settled_metrics()
            before = server.requests()
        assert clients.end_h2load(load) == 4000
        truth = server.requests() - before
        metrics = agent.settled_metrics()
        agent.stop()
    counted = sum(int(metrics[name] - at_start[name]) for name in metrics
                  if name.startswith(("sonde_spans_total", "sonde_lost_total")))
    assert truth > 1000, "the load ended too soon"
    assert abs(counted - 2 * truth) <= 40, (counted, truth, metrics)


def check_call(span, truth):
    """A span of a call whose outcome the client knows."""
    a, status = span["attributes"], truth["status"]
    client = span["kind"] == "CLIENT"
    assert span["name"] == a["rpc.method"] == truth["method"]
    assert a["rpc.system.name"] == "grpc" and a["network.protocol.version"] == "2"
    if status in ("CANCELLED", "DEADLINE_EXCEEDED") and "rpc.status_code" not in a:
        # the client gave up, and what it made of it was not on the wire
        assert a["error.type"] == "cancel" and span["status"] == "ERROR"
        return
    assert a["rpc.status_code"] == status, span
    failed = status != "OK" if client else status in SERVER_ERRORS
    assert span["status"] == ("ERROR" if failed else "UNSET"), span
    assert a.get("error.type") == (status if failed else None), span


@pytest.mark.parametrize("server_language", PEERS)
@pytest.mark.parametrize("client_language", PEERS)
def test_grpc(tracing, tmp_path, start, client_language, server_language):
    server = start(PEERS[server_language](tmp_path))
    trace = tracing("--port", server.port)
    truth = clients.grpc_calls(client_language, server.port, CALLS)
    trace.stop()
    late = truth[-2]["status"]  # a server whose clock is ahead resets the stream before the client does
    assert late in ("DEADLINE_EXCEEDED", "CANCELLED")
    assert [t["status"] for t in truth] == \
        ["OK", "NOT_FOUND", "INTERNAL", "UNAVAILABLE", "UNIMPLEMENTED", "OK", "RESOURCE_EXHAUSTED",
         "OK", "INVALID_ARGUMENT", "OK", "CANCELLED", late, "OK"]
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, kind)
        assert len(spans) == len(truth), [(s["name"], s["attributes"]) for s in spans]
        for span, true in zip(spans, truth):
            check_call(span, true)
    for client, served in paired(trace.spans):
        assert client["traceId"] == served["traceId"] and client["name"] == served["name"]
    assert trace.account.lost == 0


@pytest.mark.parametrize("server_language", PEERS)
@pytest.mark.parametrize("client_language", PEERS)
def test_grpc_older_connection(tracing, tmp_path, start, client_language, server_language):
    """A header table that is older than sonde hides names and values, but no call, and what is told
    is true."""
    server = start(PEERS[server_language](tmp_path))
    client = clients.grpc_client(client_language, server.port, CALLS, gate=True)
    client.stdout.readline()
    trace = tracing("--port", server.port)
    out, _ = client.communicate("go\n", timeout=30)
    trace.stop()
    truth = [json.loads(line) for line in out.splitlines()]
    assert len(truth) == len(CALLS) - 1
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, kind)
        assert len(spans) == len(truth), [(s["name"], s["attributes"]) for s in spans]
        for span, true in zip(spans, truth):
            a = span["attributes"]
            assert a.get("rpc.method", true["method"]) == true["method"], (span, true)
            assert a.get("rpc.status_code", true["status"]) == true["status"], (span, true)
    assert trace.account.lost == 0

# SPDX-License-Identifier: Apache-2.0
"""HTTP over TLS: what the libraries' users say and hear is told as if it were in the open, at both ends."""
import pytest

import clients
import tls
from checks import (TLS_CLOCK_MOST, check_clock, check_inside, check_name, check_nothing_else, check_socket_parents,
                    check_span, of_kind)
from clients import step
from traced import Trace

pytestmark = pytest.mark.usefixtures("programs_in_use")

PLAN = [
    (step(path="/small"), "/small"),
    (step(path="/items/41?token=secret&flag"), "/items/{id}"),
    (step(path="/missing"), "/missing"),
    (step(path="/fail"), "/fail"),
    (step("POST", "/echo", 1000), "/echo"),
    (step(path="/empty"), "/empty"),
    (step("POST", "/echo", 100_000), "/echo"),
    # not in the first moments, when 64 KiB of each turn are looked at
    ({**step(path="/big"), "pause_ms": 100}, "/big"),
    (step(path="/small"), "/small"),
]
HEADS = [(step("HEAD", "/small"), "/small"), (step(path="/items/7"), "/items/{id}"),
         (step("HEAD", "/big"), "/big"), (step(), "/small")]
# Every server, every client, and both ends of one kind.
PAIRS = [("nginx", client) for client in tls.CLIENTS] + [
    (server, "curl") for server in tls.SERVERS if server not in ("nginx", "node-http2")] + [
    ("python", "requests"), ("aiohttp", "aiohttp"), ("node", "node"), ("node-http2", "node"), ("node-http2", "go"),
    ("go", "go"), ("go-stripped", "go-stripped"), ("rustls", "go"), ("rustls", "requests"),
    ("go", "aiohttp"), ("python", "go")]
GET = "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def version_of(server, client):
    return "2" if server in tls.HTTP2_SERVERS and client in tls.HTTP2_CLIENTS else "1.1"


def check_exchanges(trace, truth, plan, version, ends=("CLIENT", "SERVER")):
    """The spans of these ends are what the client did, in its order, and there are no others."""
    assert len(trace.spans) == len(ends) * len(plan), (trace.stderr, trace.stdout)
    for kind in ends:
        spans = of_kind(trace.spans, kind)
        assert len(spans) == len(plan)
        for span, true, (request, route) in zip(spans, truth, plan):
            check_span(span, request["method"], request["path"], true["status"], "https", (version,))
            check_name(span, request["method"], route)
            a = span["attributes"]
            assert a.get("http.request.body.size", 0) == true["request_bytes"]
            assert a.get("http.response.body.size", 0) == true["response_bytes"]


@pytest.mark.parametrize("server, client", PAIRS)
def test_spans_are_what_the_client_did(tmp_path, start, authority, server, client):
    running = start(tls.SERVERS[server](tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        truth = tls.CLIENTS[client](authority, running.url, [s for s, _ in PLAN])
        trace.stop()
    assert [t["status"] for t in truth] == [200, 200, 404, 500, 200, 204, 200, 200, 200]
    check_exchanges(trace, truth, PLAN, version_of(server, client))
    check_inside(check_socket_parents(trace.spans))
    check_nothing_else(trace, running.port)
    sent, served = of_kind(trace.spans, "CLIENT"), of_kind(trace.spans, "SERVER")
    if truth[0]["times_fine"]:
        check_clock(sent, truth, TLS_CLOCK_MOST)
    assert {s["resource"]["service.name"] for s in served} == {running.service}
    assert {s["attributes"]["server.port"] for s in sent + served} == {running.port}
    assert {s["attributes"]["client.address"] for s in served} == {"127.0.0.1"}


@pytest.mark.parametrize("server, client", [("python", "requests"), ("go", "go"), ("rustls", "node")])
def test_head(tmp_path, start, authority, server, client):
    """Its response announces a body that does not come."""
    running = start(tls.SERVERS[server](tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        truth = tls.CLIENTS[client](authority, running.url, [s for s, _ in HEADS])
        trace.stop()
    check_exchanges(trace, truth, HEADS, version_of(server, client))
    check_inside(check_socket_parents(trace.spans))
    check_nothing_else(trace, running.port)


@pytest.mark.parametrize("server", ["nginx", "python", "go", "node"])
def test_pipelining(tmp_path, start, authority, server):
    """Ten requests in one record of TLS; responses pair in order."""
    running = start(tls.SERVERS[server](tmp_path, authority))
    paths = ["/small", "/missing", "/items/1", "/empty", "/small"] * 2
    with Trace(tmp_path, "--port", running.port) as trace:
        clients.raw(running.port, ["tls"], ["send", "".join(GET % p for p in paths)],
                    ["read", "x" * 612, 4], env=authority.env)
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == 10, trace.stderr
    for client, served in pairs:
        path = served["attributes"]["url.path"]
        for span in (client, served):
            check_span(span, "GET", path, {"/missing": 404, "/empty": 204}.get(path, 200), "https")
    assert sorted(served["attributes"]["url.path"] for _, served in pairs) == sorted(paths)
    check_nothing_else(trace, running.port)


@pytest.mark.parametrize("server", ["nginx", "python", "aiohttp", "node", "go", "rustls"])
def test_attach_in_mid_connection(tmp_path, start, authority, server):
    """The first complete exchange after attaching is a span, at both ends."""
    running = start(tls.SERVERS[server](tmp_path, authority))
    client = clients.raw_client(
        running.port, ["tls"],
        *[s for n in range(3) for s in (["send", GET % f"/items/{n}"], ["read", f"/items/{n}", 1])],
        ["say", "before"], ["wait"],
        *[s for n in range(10, 14)
          for s in (["send", GET % f"/items/{n}"], ["read", f"/items/{n}", 1])], env=authority.env)
    assert client.stdout.readline() == "before\n"
    with Trace(tmp_path, "--port", running.port) as trace:
        client.communicate("go\n", timeout=20)
        trace.stop()
    # a thread that waits in a read for the first of them has called it before
    first = {"CLIENT": 10, "SERVER": 11 if server == "python" else 10}
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, kind)
        assert len(spans) == 14 - first[kind], (kind, trace.stderr, trace.spans)
        for number, span in enumerate(spans, first[kind]):
            check_span(span, "GET", f"/items/{number}", scheme="https")
    check_nothing_else(trace, running.port)


def test_big_uploads(tmp_path, start, authority):
    running = start(tls.Go(tmp_path, authority))
    plan = [(step("POST", "/echo", 10_000_000), "/echo"), (step(), "/small")] * 2
    with Trace(tmp_path, "--port", running.port) as trace:
        truth = tls.CLIENTS["requests"](authority, running.url, [s for s, _ in plan])
        trace.stop()
    check_exchanges(trace, truth, plan, "1.1")
    check_nothing_else(trace, running.port)


def test_many_connections(tmp_path, start, authority):
    """A program of its own, and a handshake, for each request."""
    running = start(tls.Python(tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        for number in range(20):
            tls.CLIENTS["curl"](authority, running.url, [step(path=f"/items/{number}")])
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    check_inside(pairs)
    assert [served["attributes"]["url.path"] for _, served in pairs] == \
        [f"/items/{number}" for number in range(20)]
    check_nothing_else(trace, running.port)

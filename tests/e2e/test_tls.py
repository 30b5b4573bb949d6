# SPDX-License-Identifier: Apache-2.0
"""HTTP over TLS: what the libraries' users say and hear is told as if it were in the open, at both ends."""
import subprocess

import pytest

import clients
import servers
import tls
from checks import (check_clock, check_inside, check_name, check_socket_parents, check_span, of_kind,
                    paired)
from clients import step
from traced import Agent, Trace, check_counted, environment

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


@pytest.fixture(scope="module", autouse=True)
def in_use():
    with tls.mapped(*tls.short_programs()):
        yield


def version_of(server, client):
    return "2" if server in tls.HTTP2_SERVERS and client in tls.HTTP2_CLIENTS else "1.1"


def check_nothing_else(trace, port):
    """Nothing was lost, and no connection of that port was given up as one that nobody reads."""
    account = trace.account
    assert account.lost == 0, account
    assert port not in [row["port"] for row in account.get("unknown", [])], account


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
        check_clock(sent, truth)
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


# --- programs of the libraries' own, and GnuTLS ---

def run(authority, *command, said=""):
    done = subprocess.run(list(map(str, command)), input=said, capture_output=True, text=True,
                          timeout=30, env=environment(**authority.env), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wget(authority, server, *paths):
    run(authority, "wget", "-q", "-O", "/dev/null", f"--ca-certificate={authority.ca}",
        *[server.url + path for path in paths])


def openssl_client(authority, server, *paths):
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        run(authority, "openssl", "s_client", "-quiet", "-verify_quiet", "-connect",
            f"127.0.0.1:{server.port}", "-CAfile", authority.ca, said=request)


def boringssl_client(authority, server, *paths):
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        run(authority, "bssl-tool", "client", "-connect", f"127.0.0.1:{server.port}",
            "-root-certs", authority.ca, said=request)


def curl_http11(authority, server, *paths):
    tls.CLIENTS["curl-http1.1"](authority, server.url, [step(path=path) for path in paths])


@pytest.mark.parametrize("server, client", [
    (tls.Nginx, wget), (tls.Python, wget), (tls.Go, wget),
    (tls.Nginx, openssl_client), (tls.OpensslServer, openssl_client), (tls.OpensslServer, curl_http11),
    (tls.GnutlsServer, curl_http11), (tls.GnutlsServer, wget),
    (tls.GnutlsServer, boringssl_client), (tls.Nginx, boringssl_client)])
def test_small_programs(tmp_path, start, authority, server, client):
    running = start(server(tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        client(authority, running, "/small", "/small")
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == 2, (trace.stderr, trace.stdout)
    for sent, served in pairs:
        for span in (sent, served):
            check_span(span, "GET", "/small", 200, "https")
        assert served["resource"]["service.name"] == running.service
    check_inside(pairs)
    check_nothing_else(trace, running.port)


def test_git(tmp_path, start, authority):
    """git has libcurl with GnuTLS, and asks for HTTP/2. The server's own count is the truth."""
    running = start(tls.Nginx(tmp_path, authority))
    repository = running.html / "repository.git"
    run(authority, "git", "init", "--quiet", "--bare", repository)
    run(authority, "git", "-C", repository, "update-server-info")
    servers.open_up(repository / "info")
    with Trace(tmp_path, "--port", running.port) as trace:
        run(authority, "git", "ls-remote", running.url + "/repository.git")
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == running.requests() > 0, trace.stderr
    assert pairs[0][1]["attributes"]["url.path"] == "/repository.git/info/refs"
    for sent, served in pairs:
        for span in (sent, served):
            check_span(span, "GET", scheme="https", versions=("2",))
    check_inside(pairs)
    check_nothing_else(trace, running.port)


# --- at full speed ---

@pytest.mark.parametrize("server", ["python", "aiohttp", "node", "go", "rustls"])
def test_wrk(tmp_path, start, authority, server):
    """Eight connections at the server's full speed: as many spans as wrk counted responses."""
    running = start(tls.SERVERS[server](tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        counted = clients.wrk(running.url + "/small", connections=8, seconds=1)
        trace.stop()
    account, spans = trace.account, trace.spans
    sent, served = of_kind(spans, "CLIENT"), of_kind(spans, "SERVER")
    assert len(sent) + len(served) == len(spans) == account.spans - account.untold
    assert account.lost <= 2 * 8, account  # what was under way when wrk hung up
    missing = account.lost + account.untold
    for side in (sent, served):
        assert counted <= len(side) + missing and len(side) <= counted + 8
    parents = {s["spanId"]: s["traceId"] for s in sent}
    joined = sum(parents.get(s["parentSpanId"]) == s["traceId"] for s in served)
    assert joined >= counted - missing


@pytest.mark.parametrize("targets, ends", [("server", 1), ("both", 2)])
def test_full_speed(tmp_path, start, authority, targets, ends):
    """spans + lost by cause = requests, by nginx's own count."""
    running = start(tls.NginxPair(tmp_path, authority))
    config = {"targets": {"ports": [running.port]}, "export": {"discard": True}}
    if targets == "server":
        config["targets"] = {"pids": [running.pid]}  # and its workers
    with Agent(tmp_path, config) as agent:
        clients.wrk(running.url + "/small", connections=8, seconds=4)
        truth = running.requests()
        metrics = agent.settled_metrics()
        agent.stop()
    if targets == "server":
        truth += running.status_calls  # its status page is traced too
    check_counted(metrics, ends * truth)


@pytest.mark.parametrize("server", ["nginx", "go"])
def test_full_speed_http2(tmp_path, start, authority, server):
    running = start(tls.SERVERS[server](tmp_path, authority))
    config = {"targets": {"ports": [running.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done = clients.h2load(running.url + "/small", 30_000, 8, 8)
        metrics = agent.settled_metrics()
        agent.stop()
    assert done == 30_000
    check_counted(metrics, 2 * done)


def test_http2_spans(tmp_path, start, authority):
    """Many streams at once, each a span with its parent."""
    running = start(tls.Nginx(tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        assert clients.h2load(running.url + "/small?a=1", 200, 2, 10) == 200
        trace.stop()
    pairs = paired(trace.spans)
    assert len(pairs) == 200, trace.stderr
    for sent, served in pairs:
        assert sent["traceId"] == served["traceId"]
        for span in (sent, served):
            check_span(span, "GET", "/small?a=1", 200, "https", ("2",))
    check_nothing_else(trace, running.port)

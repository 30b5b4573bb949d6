# SPDX-License-Identifier: Apache-2.0
"""The shapes that HTTP/1.x takes on the wire."""
import json
import subprocess
import time

import pytest

import clients
import servers
from checks import (MS, check_inside, check_name, check_socket_parents, check_span, duration,
                    of_kind)
from clients import raw, step
from traced import environment

GET = "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def sizes(spans):
    return [(s["attributes"].get("http.request.body.size", 0),
             s["attributes"].get("http.response.body.size", 0)) for s in spans]


@pytest.mark.parametrize("path, status, received", [
    ("/small", 200, 612), ("/chunked", 200, 500), ("/until-close", 200, 3000),
    ("/empty", 204, 0), ("/unchanged", 304, 0), ("/big", 200, 10 * 1024 * 1024),
    ("/missing", 404, 12), ("/fail", 500, 6),
])
def test_responses(tracing, python_server, path, status, received):
    trace = tracing("--port", python_server.port)
    # twice, so that the end of the first is found to be where the second begins
    truth = clients.requests_client(python_server.url, [step(path=path), step(path=path)])
    trace.stop()
    assert [(t["status"], t["response_bytes"]) for t in truth] == [(status, received)] * 2
    for side in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, side)
        assert sizes(spans) == [(0, received)] * 2
        for span in spans:
            check_span(span, "GET", path, status)
    check_inside(check_socket_parents(trace.spans))
    assert trace.account.lost == 0


def test_head(tracing, python_server):
    """Its response announces a body that does not come."""
    trace = tracing("--port", python_server.port)
    plan = [step("HEAD", "/small"), step(path="/items/7"), step("HEAD", "/big"), step()]
    clients.requests_client(python_server.url, plan)
    trace.stop()
    for side in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, side)
        assert sizes(spans) == [(0, 0), (0, 8), (0, 0), (0, 612)]
        for span, s in zip(spans, plan):
            check_span(span, s["method"], s["path"])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_methods(tracing, python_server, method):
    """What the server makes of them (501 where it has no such method) does not matter."""
    trace = tracing("--port", python_server.port)
    truth = clients.requests_client(python_server.url, [step(method, "/small")])
    trace.stop()
    spans = trace.spans
    assert len(spans) == 2
    for span in spans:
        check_span(span, method, "/small", truth[0]["status"])
        check_name(span, method, "/small")


@pytest.mark.parametrize("server_class", [servers.PythonServer, servers.Nginx, servers.GoServer])
def test_pipelining(tracing, tmp_path, start, server_class):
    """Ten requests in one send; responses pair in order."""
    server = start(server_class(tmp_path))
    trace = tracing("--port", server.port)
    paths = ["/small", "/missing", "/items/1", "/empty", "/small"] * 2
    raw(server.port, ["send", "".join(GET % p for p in paths)], ["read", "x" * 612, 4])
    trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == 10, trace.stderr
    for client, served in pairs:
        path = served["attributes"]["url.path"]
        for span in (client, served):
            check_span(span, "GET", path, {"/missing": 404, "/empty": 204}.get(path, 200))
    assert sorted(served["attributes"]["url.path"] for _, served in pairs) == sorted(paths)
    assert trace.account.lost == 0


def test_server_closes_a_pipeline(tracing, nginx):
    """nginx hangs up after a 500: what was asked after it ends without a response, and says so."""
    trace = tracing("--port", nginx.port)
    raw(nginx.port, ["send", "".join(GET % p for p in ("/small", "/fail", "/items/1"))], ["eof"])
    trace.stop()
    for span in of_kind(trace.spans, "CLIENT")[:2]:
        assert span["attributes"]["http.response.status_code"] in (200, 500)
    last = of_kind(trace.spans, "CLIENT")[2]
    assert last["status"] == "ERROR" and last["attributes"]["error.type"]
    assert "http.response.status_code" not in last["attributes"]


def test_request_in_pieces(tracing, python_server):
    """A request that arrives byte by byte, its head in forty sends."""
    trace = tracing("--port", python_server.port)
    request = GET % "/items/99"
    raw(python_server.port, *[["send", c] for c in request], ["read", "/items/99", 1])
    trace.stop()
    (sent,), (served,) = of_kind(trace.spans, "CLIENT"), of_kind(trace.spans, "SERVER")
    for span in (sent, served):
        check_span(span, "GET", "/items/99")
    check_socket_parents(trace.spans)


def test_slow_request_and_response_times(tracing, python_server):
    """A client span begins with the first byte sent, a server span with the first one read."""
    trace = tracing("--port", python_server.port)
    head, rest = "GET /slow HTTP/1.1\r\nHost: localhost\r\n", "\r\n"
    begun = time.monotonic_ns()
    raw(python_server.port, ["send", head], ["sleep", 0.1], ["send", rest], ["read", "slow", 1])
    most = time.monotonic_ns() - begun
    trace.stop()
    (sent,), (served,) = of_kind(trace.spans, "CLIENT"), of_kind(trace.spans, "SERVER")
    assert 150 * MS <= duration(sent) < most
    assert 50 * MS <= duration(served) < most  # it may have been late to read


def test_chunked_request(tracing, python_server):
    trace = tracing("--port", python_server.port)
    head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw(python_server.port, ["send", head], ["send", "5\r\nhello\r\n"], ["sleep", 0.02],
        ["send", "a;x=y\r\n0123456789\r\n0\r\n\r\n"], ["read", "\r\n\r\n15", 1],
        ["send", GET % "/small"], ["read", "x" * 612, 1])
    trace.stop()
    for side in ("CLIENT", "SERVER"):
        assert sizes(of_kind(trace.spans, side)) == [(15, 2), (0, 612)]


def test_continue(tracing, python_server):
    """100 Continue is no response of its own."""
    trace = tracing("--port", python_server.port)
    truth = clients.curl_client(python_server.url, [
        step("POST", "/echo", 5000, Expect="100-continue"), step()])
    trace.stop()
    assert [t["status"] for t in truth] == [200, 200]
    for side in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, side)
        assert sizes(spans) == [(5000, 4), (0, 612)]
        check_span(spans[0], "POST", "/echo", 200)


def test_big_bodies_both_ways(tracing, tmp_path, start):
    """10 MB down by sendfile, and 5 MB up, on one connection."""
    server = start(servers.Nginx(tmp_path))
    trace = tracing("--port", server.port)
    plan = [step(path="/big"), step(), step(path="/big"), step()]
    clients.go_client(server.url, plan)
    trace.stop()
    for side in ("CLIENT", "SERVER"):
        assert sizes(of_kind(trace.spans, side)) == [(0, 10 << 20), (0, 612)] * 2
    check_inside(check_socket_parents(trace.spans))


@pytest.mark.parametrize("size", [1_000, 20_000, 100_000, 2_000_000])
def test_response_before_the_request_is_read(tracing, nginx, size):
    """nginx answers and then throws the body away; later requests are found again."""
    trace = tracing("--port", nginx.port)
    clients.go_client(nginx.url, [step("POST", "/early", size), step(), step(path="/items/3")] * 3)
    trace.stop()
    assert trace.account.lost == 0, trace.account
    for side in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, side)
        assert [(s["attributes"]["http.request.method"],
                 s["attributes"]["http.response.status_code"]) for s in spans] == \
            [("POST", 200), ("GET", 200), ("GET", 200)] * 3, trace.stderr
    check_socket_parents(trace.spans)


def test_upload(tracing, python_server):
    trace = tracing("--port", python_server.port)
    clients.go_client(python_server.url, [step("POST", "/echo", 5_000_000), step()])
    trace.stop()
    for side in ("CLIENT", "SERVER"):
        assert sizes(of_kind(trace.spans, side)) == [(5_000_000, 7), (0, 612)]


def test_ipv6(tracing, tmp_path, start):
    server = start(servers.PythonServer(tmp_path, "--host", "::1", host="::1"))
    trace = tracing("--port", server.port)
    clients.curl_client(server.url, [step(), step(path="/missing")])
    trace.stop()
    sent, served = of_kind(trace.spans, "CLIENT"), of_kind(trace.spans, "SERVER")
    assert (len(sent), len(served)) == (2, 2)
    assert sent[0]["attributes"]["url.full"] == f"http://[::1]:{server.port}/small"
    assert sent[0]["attributes"]["server.address"] == "::1"
    assert served[0]["attributes"]["client.address"] == "::1"
    check_inside(check_socket_parents(trace.spans))


def test_ipv4_mapped(tracing, tmp_path, start):
    """A client of IPv4 at a socket of IPv6: the two ends still become one trace."""
    server = start(servers.PythonServer(tmp_path, "--host", "::"))
    server.host = "127.0.0.1"
    trace = tracing("--port", server.port)
    clients.curl_client(server.url, [step()])
    trace.stop()
    ((_, served),) = check_socket_parents(trace.spans)
    assert served["attributes"]["client.address"] == "127.0.0.1"


def test_unix_socket(tracing, tmp_path, start):
    path = tmp_path / "http.sock"
    start(servers.PythonServer(tmp_path, "--unix", path))
    trace = tracing()
    for number in range(3):
        subprocess.run(["curl", "-sS", "-o", "/dev/null", "--unix-socket", path,
                        f"http://localhost/items/{number}/by-unix"], check=True,
                       env=environment())
    trace.stop()
    spans = [s for s in trace.spans if "/by-unix" in json.dumps(s["attributes"])]
    assert len(spans) == 6, trace.stderr
    for span in spans:
        assert span["attributes"]["network.transport"] == "unix"
        assert span["attributes"].get("server.port", 80) == 80
    check_inside(check_socket_parents(spans))


def test_http10(tracing, python_server):
    trace = tracing("--port", python_server.port)
    raw(python_server.port, ["send", "GET /items/5 HTTP/1.0\r\n\r\n"], ["eof"])
    trace.stop()
    assert len(trace.spans) == 2
    for span in trace.spans:
        check_span(span, "GET", "/items/5")
        assert span["attributes"]["server.port"] == python_server.port


def test_client_shuts_down_first(tracing, nginx):
    """A client that has said all it had to say reads its response after the connection is through."""
    trace = tracing("--port", nginx.port)
    raw(nginx.port, ["send", "GET /items/5 HTTP/1.0\r\n\r\n"], ["shutdown"], ["sleep", 0.3],
        ["eof"])
    trace.stop()
    ((sent, served),) = check_socket_parents(trace.spans)
    for span in (sent, served):
        check_span(span, "GET", "/items/5")


def test_many_connections(tracing, tmp_path, start):
    """A new connection for each request."""
    server = start(servers.GoServer(tmp_path))
    trace = tracing("--port", server.port)
    for number in range(50):
        raw_request = GET % f"/items/{number}"
        raw(server.port, ["send", raw_request], ["read", f"/items/{number}", 1]) \
            if number % 10 == 0 else clients.curl_client(server.url, [step(path=f"/items/{number}")])
    trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == 50
    check_inside(pairs)
    assert {server["attributes"]["url.path"] for _, server in pairs} == \
        {f"/items/{number}" for number in range(50)}


def test_garbage_beside_http(tracing, python_server):
    """Bytes that are no HTTP harm no other connection, and what made no span is counted."""
    trace = tracing("--port", python_server.port)
    raw(python_server.port, ["send64", "AAECA/////8WAwEA"], ["send", "\x00" * 3000 + "\r\n\r\n"],
        ["sleep", 0.1])
    clients.curl_client(python_server.url, [step(), step(path="/missing")])
    raw(python_server.port, ["send", GET % "/small"], ["read", "x" * 612, 1],
        ["send", "\x16\x03\x01 nonsense\r\n\r\n"], ["eof"])
    trace.stop()
    good = [s for s in trace.spans
            if s["attributes"].get("http.response.status_code") in (200, 404)]
    assert len(of_kind(good, "CLIENT")) == 3 and len(of_kind(good, "SERVER")) == 3
    account = trace.account
    assert account.get("connections_unknown", 0) >= 1 or account.lost >= 1, account

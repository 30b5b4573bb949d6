# SPDX-License-Identifier: Apache-2.0
"""Every server with every client, through the real Collector: what was exported is compared with
what the client knows it did."""
import pytest

import clients
import servers
from checks import (check_clock, check_inside, check_name, check_socket_parents, check_span,
                    check_wrk, of_kind)
from clients import step
from traced import Trace

ROUND = [
    (step(path="/small"), "/small"),
    (step(path="/items/41"), "/items/{id}"),
    (step(path="/items/1234567?token=secret&flag&empty="), "/items/{id}"),
    (step(path="/missing"), "/missing"),
    (step(path="/fail"), "/fail"),
    (step("POST", "/echo", 1000), "/echo"),
    (step("POST", "/echo", 100_000), "/echo"),
    (step(path="/empty"), "/empty"),
    (step(path="/big"), "/big"),
]
PLAN = ROUND[:-1] * 5 + ROUND


@pytest.fixture(params=servers.ALL)
def server(request, tmp_path, start):
    return start(servers.ALL[request.param](tmp_path))


@pytest.fixture(params=clients.ALL)
def client(request):
    return request.param


def test_spans_are_what_the_client_did(server, client, collector, tmp_path):
    with Trace(tmp_path, "--port", server.port, "--export", collector.url,
               json_lines=False) as trace:
        truth = clients.ALL[client](server.url, [s for s, _ in PLAN])
        trace.stop()
    assert [t["status"] for t in truth[:8]] == [200, 200, 200, 404, 500, 200, 200, 204]
    spans = collector.wait_spans(2 * len(PLAN), server.port)
    sent, served = of_kind(spans, "CLIENT"), of_kind(spans, "SERVER")
    assert (len(sent), len(served)) == (len(PLAN), len(PLAN)), trace.stderr

    for side in (sent, served):
        for span, true, (request, route) in zip(side, truth, PLAN):
            check_span(span, request["method"], request["path"], true["status"])
            check_name(span, request["method"], route)
            a = span["attributes"]
            assert a.get("http.request.body.size", 0) == true["request_bytes"]
            assert a.get("http.response.body.size", 0) == true["response_bytes"]
            assert (a["server.address"], a["server.port"]) == ("127.0.0.1", server.port)
    for span in sent:
        assert (span["attributes"]["network.peer.address"],
                span["attributes"]["network.peer.port"]) == ("127.0.0.1", server.port)
    for span in served:
        assert span["attributes"]["client.address"] == "127.0.0.1"

    check_inside(check_socket_parents(spans))
    if truth[0]["times_fine"]:
        check_clock(sent, truth)
    check_resources(sent, served, server, client)


CLIENT_SERVICES = {"curl": "curl", "requests": "http_client", "go": "client",
                   "node": "http_client"}


def check_resources(sent, served, server, client):
    (service_there,) = {s["resource"]["service.name"] for s in served}
    (service_here,) = {s["resource"]["service.name"] for s in sent}
    assert service_there == server.service
    assert service_here == CLIENT_SERVICES[client]
    for span in (sent[0], served[0]):
        r = span["resource"]
        assert r["host.name"] and r["os.type"] == "linux"
        assert r["process.pid"] > 1 and r["process.executable.name"]
        assert r["process.executable.path"].endswith(r["process.executable.name"])
        assert r["telemetry.sdk.name"] not in ("", "opentelemetry")
        assert r["telemetry.sdk.language"] and r["telemetry.sdk.version"]
        assert span["schemaUrl"].endswith("/1.44.0")
        assert span["scope"]["name"]
    assert len({s["resource"]["process.pid"] for s in sent}) == 1
    if service_there != "nginx":  # its worker serves
        assert {s["resource"]["process.pid"] for s in served} == {server.pid}


def test_wrk(server, tmp_path):
    """wrk against every server, at its full speed: as many spans as it counted responses."""
    with Trace(tmp_path, "--port", server.port) as trace:
        counted = clients.wrk(server.url + "/small", connections=8, seconds=1)
        trace.stop()
    check_wrk(trace, counted)

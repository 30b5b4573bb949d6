# SPDX-License-Identifier: Apache-2.0
"""Which span is whose parent."""
import pytest

import clients
import servers
from checks import check_inside, check_socket_parents, of_kind
from clients import step

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_traceparent_is_honoured(tracing, python_server):
    """The header's span is the parent at both ends: it was made by the client's own library."""
    trace = tracing("--port", python_server.port)
    header = f"00-{TRACE}-{PARENT}-01"
    clients.requests_client(python_server.url, [
        step(traceparent=header, tracestate="vendor=1"), step()])
    trace.stop()
    spans = trace.spans
    assert len(spans) == 4
    for span in of_kind(spans, "CLIENT")[:1] + of_kind(spans, "SERVER")[:1]:
        assert span["traceId"] == TRACE and span["parentSpanId"] == PARENT, span
        assert span["attributes"]["sonde.parent.method"] == "header"
    others = [of_kind(spans, kind)[1] for kind in ("CLIENT", "SERVER")]
    check_socket_parents(others)
    assert TRACE not in {s["traceId"] for s in others}


def test_bad_traceparent_is_ignored(tracing, python_server):
    trace = tracing("--port", python_server.port)
    bad = ["", "00-0-0-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
           f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}"]
    clients.requests_client(python_server.url, [step(traceparent=header) for header in bad])
    trace.stop()
    assert len(check_socket_parents(trace.spans)) == len(bad)
    assert TRACE not in {s["traceId"] for s in trace.spans}


@pytest.mark.parametrize("name, headers", [
    ("b3", {"b3": f"{TRACE}-{PARENT}-1"}),
    ("x-b3-traceid", {"X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Sampled": "1"}),
    ("uber-trace-id", {"uber-trace-id": f"{TRACE}%3A{PARENT}%3A0%3A1"}),
    ("x-datadog-trace-id", {
        "x-datadog-trace-id": str(int(TRACE[16:], 16)),
        "x-datadog-parent-id": str(int(PARENT, 16)),
        "x-datadog-tags": f"_dd.p.dm=-1,_dd.p.tid={TRACE[:16]}"}),
    ("x-amzn-trace-id", {
        "X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1"}),
])
def test_other_headers_are_honoured(tracing, python_server, name, headers):
    trace = tracing("--port", python_server.port)
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    clients.requests_client(python_server.url, [
        step(**headers), step(**headers, traceparent=other)])
    trace.stop()
    for kind in ("CLIENT", "SERVER"):
        theirs, both = of_kind(trace.spans, kind)
        assert theirs["traceId"] == TRACE and theirs["parentSpanId"] == PARENT, theirs
        assert theirs["attributes"]["sonde.parent.method"] == "header"
        assert theirs["attributes"]["sonde.parent.header"] == name
        assert both["parentSpanId"] == "2" * 16 and "sonde.parent.header" not in both["attributes"]


def test_trace_of_a_load_balancer(tracing, python_server):
    """It names a trace and no span: the client's end is the root of that trace."""
    trace = tracing("--port", python_server.port)
    clients.requests_client(python_server.url, [
        step(**{"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]}"})])
    trace.stop()
    ((client, _),) = check_socket_parents(trace.spans)
    assert client["traceId"] == TRACE and not client.get("parentSpanId")
    assert client["attributes"]["sonde.parent.header"] == "x-amzn-trace-id"


def test_ids_are_unique(tracing, python_server):
    trace = tracing("--port", python_server.port)
    clients.requests_client(python_server.url, [step()] * 200)
    trace.stop()
    assert len({s["spanId"] for s in trace.spans}) == 400
    assert len({s["traceId"] for s in trace.spans}) == 200


def test_no_wrong_parent_among_services(tracing, tmp_path, start):
    """A front that calls a back: each hop pairs with its own other end and no other."""
    back = start(servers.PythonServer(tmp_path))
    front = start(servers.PythonServer(tmp_path, "--backend", f"127.0.0.1:{back.port}"))
    trace = tracing("--port", front.port, "--port", back.port)
    clients.go_client(front.url, [step(path="/relay")] * 20)
    trace.stop()
    spans = trace.spans
    assert len(spans) == 80
    by_id = {s["spanId"]: s for s in spans}
    for server in of_kind(spans, "SERVER"):
        client = by_id[server["parentSpanId"]]
        assert client["kind"] == "CLIENT" and client["traceId"] == server["traceId"]
        assert client["attributes"]["server.port"] == server["attributes"]["server.port"]
        check_inside([(client, server)])
    for client in of_kind(spans, "CLIENT"):
        parent = by_id.get(client["parentSpanId"])
        assert parent is None or parent["attributes"]["server.port"] == front.port

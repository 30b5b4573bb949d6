# SPDX-License-Identifier: Apache-2.0
"""Which span is whose parent."""
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

# SPDX-License-Identifier: Apache-2.0
"""gRPC over TLS. What of it is Go's can be seen; grpcio has its BoringSSL without any symbols."""
import pytest

import clients
import tls
from checks import check_socket_parents, of_kind
from servers import go_program
from test_http2 import CALLS, check_call
from traced import Trace

SERVERS = {"go": tls.GrpcGo, "python": tls.GrpcPython}


@pytest.mark.parametrize("server, client", [("go", "go"), ("go", "python"), ("python", "go")])
def test_grpc(tmp_path, start, authority, server, client):
    start(tls.mapped(go_program("grpc")))
    running = start(SERVERS[server](tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        truth = clients.grpc_calls(client, running.port, CALLS,
                                   authority.env | {"GRPC_TRUSTED": authority.ca})
        trace.stop()
    assert len(truth) == len(CALLS) and truth[0]["status"] == "OK"
    seen = {"CLIENT": client == "go", "SERVER": server == "go"}
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, kind)
        assert len(spans) == seen[kind] * len(truth), [(s["name"], s["attributes"]) for s in spans]
        for span, true in zip(spans, truth):
            check_call(span, true)
    if server == client == "go":
        check_socket_parents(trace.spans)
    assert trace.account.lost == 0
    unknown = [row for row in trace.account.get("unknown", []) if row["port"] == running.port]
    assert {(row["serves"], row["label"]) for row in unknown} == \
        {(kind == "SERVER", "tls") for kind in seen if not seen[kind]}

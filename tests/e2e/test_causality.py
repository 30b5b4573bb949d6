# SPDX-License-Identifier: Apache-2.0
"""Calls that services of many runtimes make while serving: each has its true parent or none, never
another's. tests/oracle/README.md says how that is known."""
import pathlib
import subprocess
import sys
import urllib.request

import pytest

from checks import of_kind
from traced import Trace

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))

import chain  # noqa: E402
import runtimes  # noqa: E402
from score import Score  # noqa: E402

# Serves a request, begins a process that serves the next one, and only then closes the connection.
FORKS = r"""
import os, socket, sys

def serve():
    peer = listener.accept()[0]
    path = peer.recv(4096).split()[1]
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as backend:
        backend.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
        while backend.recv(65536):
            pass
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    return peer

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
peer = serve()
child = os.fork()
if not child:
    serve()
    os._exit(0)
os.waitpid(child, 0)
sys.stdin.read()
"""


def judge(trace, requests, seen=True):
    scored = Score(trace.spans)
    print(f"{scored.table()}\n{trace.account}")
    rows = {row.concurrency: row for row in scored.rows.values()}
    assert not scored.wrongs
    assert {c: row.requests for c, row in rows.items() if row.requests} == requests
    for row in rows.values():
        assert row.calls == 0 if not seen else row.lost == 0, row
    return rows


@pytest.mark.parametrize("name", list(runtimes.ALL))
def test_parents_are_true(tmp_path, name):
    service = runtimes.ALL[name]
    requests = chain.requests_of(service)
    rows = judge(chain.run(service, tmp_path, requests), requests, service.seen)
    for row in rows.values():
        assert row.percent >= service.bar, row
    assert service.proxy or not service.seen or all(row.beside for row in rows.values())


@pytest.mark.parametrize("name", ["c-threads", "go-http", "nginx-keepalive", "node-http"])
def test_connections_older_than_sonde(tmp_path, name):
    requests = {1: 40, 16: 160}
    judge(chain.run(runtimes.ALL[name], tmp_path, requests, late=True), requests)


def test_process_begun_in_answered_work(tmp_path, start, nginx):
    """What it serves itself is another request, though its parent has begun it for the one before."""
    service = start(subprocess.Popen([sys.executable, "-c", FORKS, str(nginx.port)], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    port = int(service.stdout.readline())
    with Trace(tmp_path, "-p", service.pid) as trace:
        for number in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/items/{number}") as answer:
                assert answer.status == 200
        service.stdin.close()
        assert service.wait(10) == 0
        trace.stop()
    served, asked = (sorted(of_kind(trace.spans, kind), key=lambda s: s["startTimeUnixNano"])
                     for kind in ("SERVER", "CLIENT"))
    assert [s["attributes"]["url.path"] for s in served] == ["/items/0", "/items/1"]
    assert [s["parentSpanId"] for s in asked] == [s["spanId"] for s in served], trace.stdout

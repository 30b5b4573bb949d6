# SPDX-License-Identifier: Apache-2.0
"""Every way in which a program can send and receive on a socket."""
import pathlib
import socket
import subprocess

import pytest

from checks import check_socket_parents, of_kind
from traced import Trace, wait_for

COUNT = 10
SENDS = ["write", "send", "writev", "pwritev2", "sendmsg", "sendmmsg"]
RECEIVES = ["read", "recv", "peek", "readv", "preadv2", "recvmsg", "recvmmsg"]


def build(tmp_path_factory, name, *libraries):
    program = tmp_path_factory.mktemp(name) / name
    source = pathlib.Path(__file__).parent / f"workloads/{name}.c"
    subprocess.run(["gcc", "-O1", "-o", program, source, *libraries], check=True)
    return program


@pytest.fixture(scope="session")
def ways(tmp_path_factory):
    return build(tmp_path_factory, "ways")


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    return build(tmp_path_factory, "ring", "-luring")


def make_requests(ways, server, send, receive):
    subprocess.run([ways, server.host, str(server.port), send, receive, str(COUNT)], check=True,
                   timeout=20)


@pytest.mark.parametrize("send, receive",
                         [(s, "read") for s in SENDS] + [("write", r) for r in RECEIVES[1:]])
def test_way(ways, nginx, tmp_path, send, receive):
    with Trace(tmp_path, "--port", nginx.port) as trace:
        make_requests(ways, nginx, send, receive)
        trace.stop()
    spans, account = trace.spans, trace.account
    assert account.lost == 0 and account.get("gaps", 0) == 0, account
    paths = [f"/{send}-{receive}/{i}" for i in range(COUNT)]
    assert [s["attributes"]["url.path"] for s in of_kind(spans, "SERVER")] == paths
    assert [s["attributes"]["url.full"] for s in of_kind(spans, "CLIENT")] == [
        "http://x" + path for path in paths]
    check_socket_parents(spans)


@pytest.mark.parametrize("send", ["sendfile", "splice"])
def test_request_without_a_buffer(ways, nginx, tmp_path, send):
    """The client's bytes are in no buffer that could be copied: its requests are not seen, and none is
    invented. The server's end misses nothing."""
    with Trace(tmp_path, "--port", nginx.port) as trace:
        make_requests(ways, nginx, send, "read")
        trace.stop()
    spans = trace.spans
    served = of_kind(spans, "SERVER")
    assert [s["attributes"]["url.path"] for s in served] == [f"/{send}-read/{i}" for i in range(COUNT)]
    assert {s["parentSpanId"] for s in served} == {""}
    assert of_kind(spans, "CLIENT") == []


def test_response_without_a_buffer(ways, nginx, tmp_path):
    """Responses that were spliced away: the client's requests are counted as lost, by cause, or end as
    spans; none is paired with another's response."""
    with Trace(tmp_path, "--port", nginx.port) as trace:
        make_requests(ways, nginx, "write", "splice")
        trace.stop()
    spans, account = trace.spans, trace.account
    sent = of_kind(spans, "CLIENT")
    assert len(of_kind(spans, "SERVER")) == COUNT
    assert len(sent) + account.lost == COUNT, account
    assert all("http.response.status_code" not in s["attributes"] for s in sent)


def test_receives_by_ring_within_others(ring, start, tmp_path):
    """What io_uring receives while the thread sleeps in another receive is not in that one's buffer:
    it is not seen, and is not taken for what the buffer had from before."""
    def ask(number):
        client.sendall(b"GET /seen/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")

    def sleeps():
        stat = pathlib.Path(f"/proc/{server.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "S"

    server = start(subprocess.Popen([ring], stdout=subprocess.PIPE, text=True))
    port = int(server.stdout.readline())
    with Trace(tmp_path, "-p", server.pid) as trace, \
            socket.create_connection(("127.0.0.1", port)) as other, \
            socket.create_connection(("127.0.0.1", port)) as client:
        for number in range(COUNT):
            ask(number)
            wait_for(sleeps, "a receive to sleep")
            other.sendall(b"GET /ring/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        ask(COUNT)
        other.shutdown(socket.SHUT_RDWR)
        client.shutdown(socket.SHUT_RDWR)
        assert server.wait(10) == 0
        trace.stop()
    assert [s["attributes"]["url.path"] for s in of_kind(trace.spans, "SERVER")] == [
        f"/seen/{number}" for number in range(COUNT + 1)]

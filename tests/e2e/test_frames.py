# SPDX-License-Identifier: Apache-2.0
"""Length-prefixed frames that the kernel walks, however they are cut into system calls and pieces of
vectors. Ground truth is what the workload counted."""
import collections
import contextlib
import pathlib
import socket
import subprocess
import threading
import time

import pytest

from checks import check_socket_parents, of_kind
from net import free_port
from traced import Trace

# Nothing may be lost by these tests' own doing: they send as fast as they can.
ROOMY = {"SONDE_CAPTURE_RING_SIZE": "64MiB"}


@pytest.fixture(scope="session")
def framed(tmp_path_factory):
    program = tmp_path_factory.mktemp("framed") / "framed"
    source = pathlib.Path(__file__).parent / "workloads/framed.c"
    subprocess.run(["gcc", "-O1", "-pthread", "-o", program, source], check=True)
    return program


@contextlib.contextmanager
def opened(program, port, *shape):
    """The workload with its connections open; go() lets it run and returns what it counted."""
    process = subprocess.Popen([program, *map(str, (port, *shape))], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def go():
        process.stdin.write("go\n")
        process.stdin.flush()
        count = int(process.stdout.readline())
        assert process.wait(timeout=60) == 0
        return count
    try:
        assert process.stdout.readline() == "open\n"
        yield go
    finally:
        process.kill()
        process.wait()


# (connections, rounds, requests at once, bytes more in each); fewer spans than may wait to be written
SHAPES = [(4, 100, 1, 3000), (4, 60, 32, 300), (2, 50, 16, 30000), (16, 20, 8, 3000)]


@pytest.mark.parametrize("walk", ["bpf_loop", "short"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def test_every_frame(framed, tmp_path, shape, walk):
    """Once the kernel walks, nothing is lost, and next to nothing of the bulk is copied."""
    port, connections = free_port(), shape[0]
    env = {**ROOMY, "SONDE_CAPTURE_SHORT_WALK": str(walk == "short").lower()}
    with Trace(tmp_path, "--port", port, env=env) as trace, opened(framed, port, *shape) as go:
        trace.wait_spans(2 * connections)
        count = go() + connections
        trace.stop()
    spans, account = trace.spans, trace.account
    assert account.spans == len(spans) == 2 * count, account
    assert account.lost == account.get("gaps", 0) == 0, account
    check_socket_parents(spans)
    names = collections.Counter(s["name"] for s in of_kind(spans, "SERVER"))
    per_connection = collections.Counter(
        f"find c{i % 5}" for i in range(1, count // connections + 1))
    assert names == {name: n * connections for name, n in per_connection.items()}
    assert {s["status"] for s in spans} == {"UNSET"}
    bytes_passed = 2 * count * shape[3] * (1 + 1 / 16) / 2
    if shape[3] > 10000:
        assert account["record_bytes"] < bytes_passed / 5, account


def test_found_in_the_middle(framed, tmp_path):
    """Of connections that are in full flow already what passes before they are known is counted."""
    port, shape = free_port(), (4, 200, 8, 3000)
    with opened(framed, port, *shape) as go, Trace(tmp_path, "--port", port, env=ROOMY) as trace:
        count = go()
        trace.stop()
    spans, account = trace.spans, trace.account
    assert account.spans == len(spans) + account.untold
    assert abs(account.spans + account.lost - 2 * count) <= 2 * count / 1000, account
    assert account.spans > count, account


QUERY = b"Q\0\0\0\x0dSELECT 1\0"
ANSWER = b"T\0\0\0\6\0\0" b"C\0\0\0\x0dSELECT 1\0" b"Z\0\0\0\5I"


def answer_queries(listener):
    connection = listener.accept()[0]
    while connection.recv(len(QUERY), socket.MSG_WAITALL):
        connection.sendall(ANSWER)


def test_idle(tmp_path):
    """A connection that was quiet for so long that it was forgotten is taken up again without loss."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=answer_queries, args=(listener,), daemon=True).start()
        with Trace(tmp_path, "--port", port, env={"SONDE_FLOW_IDLE_TIMEOUT": "1s"}) as trace:
            with socket.create_connection(("127.0.0.1", port)) as client:
                for pause in [0.05] * 9 + [2.5] + [0.05] * 10:
                    client.sendall(QUERY)
                    assert client.recv(len(ANSWER), socket.MSG_WAITALL) == ANSWER
                    time.sleep(pause)
            trace.stop()
    assert trace.account.spans == 40, trace.account
    assert trace.account.lost == trace.account.get("gaps", 0) == 0, trace.account

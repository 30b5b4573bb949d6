# SPDX-License-Identifier: Apache-2.0
"""protoname, end to end: a server and a client that know what they did."""
import socket
import subprocess
import sys

import pytest

from checks import check_inside, check_socket_parents
from servers import Server
from traced import environment

SERVER = """
import socket, socketserver
class Store(socketserver.StreamRequestHandler):
    values = {}
    def handle(self):
        for line in self.rfile:
            magic, verb, key, *length = line.decode().split()
            answer = f"{magic} ok 0\\n".encode()
            if verb == "put":
                self.values[key] = self.rfile.read(int(length[0]))
            elif key in self.values:
                answer = f"{magic} ok {len(self.values[key])}\\n".encode() + self.values[key]
            else:
                answer = f"{magic} error missing\\n".encode()
            self.wfile.write(answer)
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Store)
server.daemon_threads = True
print("listening", server.server_address[1], flush=True)
server.serve_forever()
"""
# Reads "VERB KEY [VALUE]" from its input, one operation after the other, and prints each answer.
CLIENT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
answers = connection.makefile("rb")
for line in sys.stdin:
    verb, key, *value = line.split()
    head = f"protoname/1 {verb} {key}" + (f" {len(value[0])}" if value else "")
    connection.sendall((head + "\\n" + "".join(value)).encode())
    magic, outcome, what = answers.readline().decode().split()
    if outcome == "ok":
        answers.read(int(what))
    print(outcome, flush=True)
"""
PLAN = ["put lamp bright", "get lamp", "get none", "put big " + "x" * 100_000, "get big"]


class Store(Server):
    command = [sys.executable, "-c", SERVER]


class Client:
    """A client with one connection. A context manager."""

    def __init__(self, port):
        self.command = [sys.executable, "-c", CLIENT, str(port)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=environment())
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def do(self, plan):
        """The outcome of each operation."""
        outcomes = []
        for operation in plan:
            self.process.stdin.write(operation + "\n")
            self.process.stdin.flush()
            outcomes.append(self.process.stdout.readline().strip())
        return outcomes


@pytest.fixture
def store(tmp_path, start):
    return start(Store(tmp_path))


def check_spans(trace, plan, outcomes, port):
    """Each operation is a span at both ends, of one trace."""
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == len(plan)
    check_inside(pairs)
    pairs.sort(key=lambda pair: pair[0]["startTimeUnixNano"])
    for pair, operation, outcome in zip(pairs, plan, outcomes):
        verb, key = operation.split()[:2]
        for span in pair:
            a = span["attributes"]
            assert span["name"] == a["protoname.verb"] == verb
            assert a["protoname.key"] == key
            assert a.get("error.type") == ("missing" if outcome == "error" else None)
            assert span["status"] == ("ERROR" if outcome == "error" else "UNSET")
            assert (a["server.address"], a["server.port"]) == ("127.0.0.1", port)
    assert trace.account.lost == 0, trace.stderr


def test_operations(tracing, start, store):
    trace = tracing("--port", store.port)
    outcomes = start(Client(store.port)).do(PLAN)
    trace.stop()
    assert outcomes == ["ok", "ok", "error", "ok", "ok"]
    check_spans(trace, PLAN, outcomes, store.port)


def test_attach_in_mid_connection(tracing, start, store):
    client = start(Client(store.port))
    client.do(PLAN)
    trace = tracing("--port", store.port)
    outcomes = client.do(PLAN)
    trace.stop()
    check_spans(trace, PLAN, outcomes, store.port)


def test_pipelined_at_full_speed(tracing, store):
    """Every operation is a span or counted as lost, whatever the speed."""
    count, batch = 20_000, 100
    trace = tracing("--port", store.port)
    with socket.create_connection(("127.0.0.1", store.port)) as connection:
        answers = connection.makefile("rb")
        for _ in range(count // batch):
            connection.sendall(b"protoname/1 get none\n" * batch)
            for _ in range(batch):
                assert answers.readline() == b"protoname/1 error missing\n"
    trace.stop()
    assert abs(trace.account.spans + trace.account.lost - 2 * count) <= 2 * count // 1000

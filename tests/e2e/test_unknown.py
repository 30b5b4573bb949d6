# SPDX-License-Identifier: Apache-2.0
"""Connections of a protocol that sonde does not know make no spans, and are counted by service, port,
bytes and what they look like."""
import base64
import subprocess
import sys

import pytest

from clients import raw
from servers import WORKLOADS, Server
from traced import Trace

MESSAGE = b"\x01\x99made up, and like nothing else\xfe\xff"


class EchoServer(Server):
    command = [sys.executable, str(WORKLOADS / "echo_server.py")]
    service = "echo_server"

    def wait_ready(self):
        words = self.process.stdout.readline().split()
        assert words[:1] == ["listening"], self.log.read_text()
        self.ports = [int(word) for word in words[1:]]
        self.port = self.ports[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", path, "-out", f"{path}.crt"],
                   check=True, capture_output=True)
    with open(path, "ab") as both, open(f"{path}.crt", "rb") as crt:
        both.write(crt.read())
    return path


@pytest.fixture
def echo(tmp_path, start, certificate):
    return start(EchoServer(tmp_path, certificate))


def talk(port, rounds, more=0):
    """One connection that sends the message so often, each time reading it back; later, more."""
    step = [["send64", base64.b64encode(MESSAGE).decode()], ["read", "nothing else", 1]]
    raw(port, *(step * rounds), ["sleep", 1 if more else 0], *(step * more))


def row(service, serves, port, label, connections, size):
    return {"service": service, "serves": serves, "port": port, "label": label,
            "connections": connections, "sent": size, "received": size}


def in_order(rows):
    return sorted(rows, key=lambda r: (r["port"], r["serves"]))


def test_made_up(tracing, echo):
    """Short connections: all of their bytes are counted, at both ends, by port."""
    trace = tracing("--port", ",".join(map(str, echo.ports)))
    counts = dict(zip(echo.ports, (3, 2)))
    for port, count in counts.items():
        for _ in range(count):
            talk(port, 3)
    trace.stop()
    assert trace.stdout == ""
    assert in_order(trace.account["unknown"]) == in_order(
        row(service, serves, port, "unknown", count, count * 3 * len(MESSAGE))
        for port, count in counts.items()
        for service, serves in (("echo_server", True), ("raw_client", False)))
    assert trace.account["connections_unknown"] == 2 * 5
    assert trace.account["unparsed_bytes"] == 2 * 2 * 5 * 3 * len(MESSAGE)
    assert trace.account.spans == 0 and trace.account.lost == 0


def test_long(tracing, echo):
    """A long connection is given up, counted once, and costs no record any more."""
    trace = tracing("--port", echo.port)
    talk(echo.port, 10, 500)
    trace.stop()
    rows = trace.account["unknown"]
    assert sorted(r["service"] for r in rows) == ["echo_server", "raw_client"]
    for r in rows:
        assert r["connections"] == 1
        assert 3 * len(MESSAGE) <= min(r["sent"], r["received"]) <= 10 * len(MESSAGE), r
    assert trace.account["records"] < 100


def test_tls(tracing, echo):
    """TLS is recognised by its records, from the first one on or in the middle of a connection,
    where nobody looks for its plaintext."""
    command = ["timeout", "20", "openssl", "s_client", "-connect", f"127.0.0.1:{echo.ports[2]}"]
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "-quiet"], **piped) as early:
        early.stdin.write(b"before\n")
        early.stdin.flush()
        assert early.stdout.readline() == b"before\n"
        trace = tracing("--port", echo.ports[2], env={"SONDE_TLS_ENABLED": "false"})
        early.stdin.write(b"GET / HTTP/1.1\r\n")
        early.stdin.flush()
        assert early.stdout.readline() == b"GET / HTTP/1.1\r\n"
        subprocess.run(command, input=b"Q\n", check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        trace.stop()
        early.terminate()
    assert trace.stdout == ""
    rows = in_order(trace.account["unknown"])
    assert [(r["service"], r["serves"], r["label"], r["connections"]) for r in rows] == [
        ("openssl", False, "tls", 2), ("echo_server", True, "tls", 2)], rows


def test_text(tmp_path, start, echo, python_server):
    """For people it is a table on standard error, before the account; spans stay where they are."""
    trace = start(Trace(tmp_path, "--port", f"{echo.port},{python_server.port}", json_lines=False))
    talk(echo.port, 1)
    raw(python_server.port, ["send", "GET /small HTTP/1.0\r\n\r\n"], ["eof"])
    trace.stop()
    assert "GET /small" in trace.stdout and "unknown" not in trace.stdout
    *_, header, first, second, account = trace.stderr.splitlines()
    assert header.split() == ["NOT", "RECOGNISED", "PORT", "LOOKS", "LIKE", "CONNECTIONS", "SENT",
                              "RECEIVED"]
    size = str(len(MESSAGE))
    assert sorted(line.split() for line in (first, second)) == [
        ["echo_server", "serves", str(echo.port), "unknown", "1", size, size],
        ["raw_client", "uses", str(echo.port), "unknown", "1", size, size]]
    assert len(header) == len(first) == len(second)
    assert account.startswith("2 spans, nothing lost; 2 connections of no known protocol")

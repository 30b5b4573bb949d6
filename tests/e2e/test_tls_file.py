# SPDX-License-Identifier: Apache-2.0
"""A file that is sent below TLS: nobody has its bytes in a buffer, but they are the response's body."""
import socket
import subprocess

from checks import of_kind
from servers import WORKLOADS
from traced import Trace

FILE_SZ = 50000
CIPHERTEXT = b"\x17\x03\x03\x00\x1b" + b"." * 27


def receive(peer, n):
    while n:
        n -= len(peer.recv(n))


def test_file_is_body(tmp_path):
    program = tmp_path / "send_file"
    # so that each function begins with what can be probed
    subprocess.run(["gcc", "-O1", "-fno-omit-frame-pointer", "-rdynamic", "-o", program,
                    WORKLOADS / "send_file.c"], check=True)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        with Trace(tmp_path, "--port", port) as trace:
            server.stdin.write("\n")
            server.stdin.flush()
            with socket.create_connection(("127.0.0.1", port)) as peer:
                peer.send(b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + b"." * 58)
                receive(peer, 7)
                peer.send(CIPHERTEXT)
                receive(peer, len("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n") + 22 + FILE_SZ)
                peer.send(CIPHERTEXT)
                receive(peer, len("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n") + 22 + 4 + 22)
            assert server.wait(10) == 0
            trace.stop()
    served = of_kind(trace.spans, "SERVER")
    assert [(s["attributes"]["url.path"], s["attributes"]["http.response.body.size"], s["status"])
            for s in served] == [("/file", FILE_SZ, "UNSET"), ("/text", 4, "UNSET")], trace.stderr
    assert trace.account.lost == 0, trace.account

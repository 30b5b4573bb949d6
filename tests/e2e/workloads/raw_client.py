# SPDX-License-Identifier: Apache-2.0
"""Sends exact bytes: raw_client.py HOST PORT STEPS. STEPS is a JSON list of
["send", TEXT], ["send64", BASE64], ["read", TEXT, N] (until TEXT came N times since the last read),
["eof"] (read until the peer closes), ["shutdown"] (send no more), ["sleep", SECONDS], ["wait"] (for a line on standard input),
["say", TEXT], ["exit", STATUS], ["tls"] (from here on). Prints what it received in all, as JSON, at its end."""
import base64
import json
import os
import socket
import ssl
import sys
import time


def main():
    conn = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    everything = b""

    def read_until(text, count):
        fresh = b""
        while text is None or fresh.count(text) < count:
            piece = conn.recv(65536)
            if not piece:
                break
            fresh += piece
        return fresh

    for name, *args in json.loads(sys.argv[3]):
        if name == "send":
            conn.sendall(args[0].encode("latin-1"))
        elif name == "send64":
            conn.sendall(base64.b64decode(args[0]))
        elif name == "read":
            everything += read_until(args[0].encode(), args[1])
        elif name == "eof":
            everything += read_until(None, 0)
        elif name == "shutdown":
            conn.shutdown(socket.SHUT_WR)
        elif name == "sleep":
            time.sleep(args[0])
        elif name == "wait":
            sys.stdin.readline()
        elif name == "say":
            print(args[0], flush=True)
        elif name == "tls":
            conn = ssl.create_default_context().wrap_socket(conn, server_hostname=sys.argv[1])
        elif name == "exit":
            os._exit(args[0])
    conn.close()
    print(json.dumps(everything.decode("latin-1")))


main()

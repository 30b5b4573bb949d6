# SPDX-License-Identifier: Apache-2.0
"""Ports, and network namespaces joined by a veth pair."""
import contextlib
import os
import pathlib
import socket
import subprocess


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port, host="127.0.0.1"):
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), timeout=1).close()
        return True
    return False


def left_halfway(port):
    """How many connections a server at this port has kept open whose clients have closed them."""
    rows = [line.split() for name in ("tcp", "tcp6")
            for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return sum(int(local.rpartition(":")[2], 16) == port and state == "08"  # CLOSE_WAIT
               for _, local, _, state, *_ in rows)


def ip(*args):
    subprocess.run(["ip", *args], check=True, stdin=subprocess.DEVNULL)


class Namespaces:
    """Two network namespaces, joined: .server at 10.254.77.1 and .client at 10.254.77.2."""
    server_address, client_address = "10.254.77.1", "10.254.77.2"

    def __enter__(self):
        tag = f"e2e{os.getpid() % 100000}"
        self.server, self.client = f"{tag}s", f"{tag}c"
        with contextlib.ExitStack() as undo:
            for name in (self.server, self.client):
                ip("netns", "add", name)
                undo.callback(ip, "netns", "del", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("link", "add", "eth0", "netns", self.server, "type", "veth",
               "peer", "name", "eth0", "netns", self.client)
            for name, address in ((self.server, self.server_address),
                                  (self.client, self.client_address)):
                ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
            self.undo = undo.pop_all()
        return self

    def __exit__(self, *exc):
        self.undo.close()

# SPDX-License-Identifier: Apache-2.0
"""DNS over UDP and TCP: dnsmasq with names of its own, asked by dig, by glibc and at full speed."""
import collections
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from checks import check_inside, of_kind, paired
from net import accepts
from traced import Agent, Trace, lost, stopped, wait_for

ZONE = """
no-daemon
no-resolv
no-hosts
no-poll
conf-file=
pid-file=
user=root
cache-size=0
bind-interfaces
local=/test/
address=/w.test/192.0.2.7
address=/both.test/192.0.2.1
address=/both.test/2001:db8::1
"""
MANY = [f"198.51.100.{i}" for i in range(1, 61)]  # too many for 512 bytes
ZONE += "".join(f"host-record=many.test,{address}\n" for address in MANY)


def free_udp_port():
    """Free over UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


class Dnsmasq:
    def __init__(self, tmp_path):
        self.port = free_udp_port()
        self.config = tmp_path / "dnsmasq.conf"
        self.config.write_text(ZONE +
                               f"port={self.port}\nlisten-address=127.0.0.1\n"
                               "listen-address=::1\n")

    def __enter__(self):
        self.process = subprocess.Popen(["dnsmasq", "-C", self.config], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.port), "dnsmasq to listen")
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(timeout=10)

    def cpu_ticks(self):
        """Time that it has used, in hundredths of a second."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(stat[11]) + int(stat[12])

    def dig(self, name, kind="A", *more):
        return subprocess.run(["dig", "@127.0.0.1", "-p", str(self.port), name, kind, "+short",
                               "+tries=1", *more], check=False, text=True, timeout=20,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.split()


@pytest.fixture
def dnsmasq(tmp_path, start):
    return start(Dnsmasq(tmp_path))


@pytest.fixture(scope="session")
def lookups(tmp_path_factory):
    program = tmp_path_factory.mktemp("lookups") / "lookups"
    source = pathlib.Path(__file__).parent / "workloads/lookups.c"
    subprocess.run(["gcc", "-O1", "-o", program, source], check=True)
    return lambda port, way, count, address="127.0.0.1": int(subprocess.run(
        [program, address, str(port), way, str(count)], check=True, timeout=60, text=True,
        stdout=subprocess.PIPE).stdout)


def check_pair(client, server, name, kind, rcode, transport="udp"):
    for span in (client, server):
        a = span["attributes"]
        assert span["name"] == f"DNS {kind}"
        assert (a["dns.question.name"], a["dns.question.type"]) == (name, kind)
        assert a["dns.response_code"] == rcode
        assert a["network.transport"] == transport
        failed = rcode not in ("NOERROR", "NXDOMAIN")
        assert span["status"] == ("ERROR" if failed else "UNSET"), span
        assert a.get("error.type") == (rcode if failed else None), span
    assert client["attributes"]["server.address"] == "127.0.0.1"
    assert server["attributes"]["client.port"] > 0
    assert client["resource"]["service.name"] != server["resource"]["service.name"] == "dnsmasq"


def test_dig(tmp_path, dnsmasq):
    with Trace(tmp_path, "--port", dnsmasq.port) as trace:
        assert dnsmasq.dig("both.test") == ["192.0.2.1"]
        assert dnsmasq.dig("BOTH.test", "AAAA", "+tcp") == ["2001:db8::1"]
        assert dnsmasq.dig("none.test") == []
        assert dnsmasq.dig("elsewhere.example") == []
        # Cut, then asked again over TCP.
        assert sorted(dnsmasq.dig("many.test", "A", "+bufsize=512")) == sorted(MANY)
        trace.stop()
    assert trace.account.lost == 0
    pairs = sorted(paired(trace.spans), key=lambda pair: pair[0]["startTimeUnixNano"])
    check_inside(pairs)
    want = [("both.test", "A", "NOERROR", "udp"), ("BOTH.test", "AAAA", "NOERROR", "tcp"),
            ("none.test", "A", "NXDOMAIN", "udp"), ("elsewhere.example", "A", "REFUSED", "udp"),
            ("many.test", "A", "NOERROR", "udp"), ("many.test", "A", "NOERROR", "tcp")]
    assert len(pairs) == len(want)
    for pair, expected in zip(pairs, want):
        check_pair(*pair, *expected)
        assert pair[1]["attributes"]["sonde.parent.method"] == "socket"
    assert pairs[0][0]["attributes"]["dns.answers"] == ["192.0.2.1"]
    assert pairs[1][0]["attributes"]["dns.answers"] == ["2001:db8::1"]


RESOLVE = """
import socket, sys
for i in range(int(sys.argv[1])):
    found = socket.getaddrinfo("both.test", 80, type=socket.SOCK_STREAM)
    assert {f[4][0] for f in found} == {"192.0.2.1", "2001:db8::1"}, found
"""
PRIVATE = """
ip link set lo up
mount --bind "$1" /etc/resolv.conf
dnsmasq -C "$2" &
server=$!
trap 'kill $server; wait $server' EXIT
for i in $(seq 100); do
    ! "$3" -c "$4" 1 2>/dev/null || break
    sleep 0.05
done
echo ready
read -r go
"$3" -c "$4" 20
echo done
read -r go
"""


def test_getaddrinfo(tmp_path):
    """glibc asks for both families at once, with sendmmsg, on port 53 of its own network."""
    resolv, config = tmp_path / "resolv.conf", tmp_path / "dnsmasq.conf"
    resolv.write_text("nameserver 127.0.0.1\n")
    config.write_text(ZONE + "listen-address=127.0.0.1\n")
    shell = subprocess.Popen(["unshare", "--mount", "--net", "bash", "-c", PRIVATE, "sh", resolv,
                              config, sys.executable, RESOLVE], text=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    try:
        assert shell.stdout.readline() == "ready\n"
        with Trace(tmp_path, "--port", 53) as trace:
            shell.stdin.write("go\n")
            shell.stdin.flush()
            assert shell.stdout.readline() == "done\n"
            trace.stop()
    finally:
        shell.communicate("go\n", timeout=10)
    spans = [s for s in trace.spans
             if s["attributes"].get("dns.question.name") == "both.test"]
    pairs = paired(spans)
    assert collections.Counter(client["name"] for client, _ in pairs) == {"DNS A": 20, "DNS AAAA": 20}
    for client, server in pairs:
        check_pair(client, server, "both.test", client["attributes"]["dns.question.type"],
                   "NOERROR")
        assert client["attributes"]["server.port"] == 53


@pytest.mark.parametrize("way, address", [
    *[(way, "127.0.0.1") for way in ("send", "write", "sendto", "sockets", "mmsg", "peek")],
    *[(way, address) for way in ("send", "sendto", "mmsg")
      for address in ("::1", "::ffff:127.0.0.1")]])
def test_way(tmp_path, dnsmasq, lookups, way, address):
    with Trace(tmp_path, "--port", dnsmasq.port) as trace:
        assert lookups(dnsmasq.port, way, 50, address) == 50
        trace.stop()
    pairs = paired(trace.spans)
    address = address.removeprefix("::ffff:")
    assert trace.account.lost == 0
    assert sorted(client["attributes"]["dns.question.name"] for client, _ in pairs) == sorted(
        f"n-{i}.w.test" for i in range(50))
    for client, server in pairs:
        assert client["attributes"]["dns.question.name"] == server["attributes"]["dns.question.name"]
        assert client["attributes"]["server.address"] == address
        assert client["attributes"]["server.port"] == dnsmasq.port
        assert server["attributes"]["client.address"] == address
        assert "error.type" not in client["attributes"]


@pytest.mark.parametrize("way", ["cork", "short"])
def test_way_that_hides(tmp_path, dnsmasq, lookups, way):
    """What is sent in pieces is not seen; of an answer that the program took a part of, the rest is
    not known. Neither becomes a span of something else, and the server's end misses nothing."""
    with Trace(tmp_path, "--port", dnsmasq.port) as trace:
        assert lookups(dnsmasq.port, way, 20) == 20
        trace.stop()
    assert len(of_kind(trace.spans, "SERVER")) == 20
    assert of_kind(trace.spans, "CLIENT") == []
    assert trace.account.lost == (0 if way == "cork" else 20)


def test_no_answer(tmp_path):
    """A server that is silent, and one that is not there."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port, gone = silent.getsockname()[1], free_udp_port()
        with Trace(tmp_path, "--port", f"{port},{gone}") as trace:
            for target in (port, gone):
                subprocess.run(["dig", "@127.0.0.1", "-p", str(target), "lost.test", "+tries=1",
                                "+time=1"], check=False, stdout=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL, timeout=20)
            wait_for(lambda: len(trace.spans) >= 2, "the time-out", timeout=20)
            trace.stop()
    errors = {s["attributes"]["server.port"]: s["attributes"]["error.type"] for s in trace.spans}
    assert errors == {port: "timeout", gone: "ECONNREFUSED"}
    assert trace.account.lost == 0


def look_away(agent, dnsmasq):
    """Nobody reads the ring until dnsmasq has answered for a while."""
    with stopped(agent.process):
        begun = dnsmasq.cpu_ticks()
        wait_for(lambda: dnsmasq.cpu_ticks() >= begun + 10, "queries")


@pytest.mark.parametrize("way, count, ring", [
    ("send", 40_000, None), ("sockets", 20_000, None), ("mmsg", 80_000, 64 * 1024)])
def test_full_speed(tmp_path, dnsmasq, lookups, way, count, ring):
    """Every exchange is a span or counted as lost, also where the ring is far too small and nobody reads it
    for a while."""
    config = {"targets": {"ports": [dnsmasq.port]}, "export": {"discard": True}}
    if ring:
        config["capture"] = {"ring_size": ring}
    with Agent(tmp_path, config) as agent:
        begun = time.monotonic()
        if ring:
            threading.Thread(target=look_away, args=(agent, dnsmasq)).start()
        answered = lookups(dnsmasq.port, way, count)
        rate = answered / (time.monotonic() - begun)

        end = time.monotonic() + 20
        while True:
            metrics = agent.metrics()
            missing = 2 * count - metrics["sonde_spans_total"] - lost(metrics)
            # A socket for one query of which both records are lost was never there.
            unseen = metrics["sonde_ring_full_total"] // 2 if way == "sockets" else 0
            settled = abs(missing) <= 2 * count // 1000 + unseen
            if settled or time.monotonic() > end:
                break
            time.sleep(0.1)
        agent.stop()
    full, gone = int(metrics["sonde_ring_full_total"]), lost(metrics)
    print(f"{way}: {rate:.0f} queries/s, {metrics['sonde_spans_total']:.0f} spans, {gone} lost, "
          f"{full} records did not fit")
    assert settled, (missing, metrics)
    assert answered == count
    assert bool(gone) <= bool(full), metrics
    if ring:
        assert gone > 0, metrics
    else:
        assert rate > 3000


def test_attach_in_the_middle(tmp_path, dnsmasq, lookups):
    """Sockets are known by what they send, whenever they were made."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", dnsmasq.port))
        client.settimeout(5)
        query = b"ab\1\0\0\1\0\0\0\0\0\0\4both\4test\0\0\1\0\1"
        client.send(query)
        client.recv(512)
        with Trace(tmp_path, "--port", dnsmasq.port) as trace:
            client.send(b"x" + query[1:])
            client.recv(512)
            trace.stop()
    (pair,) = paired(trace.spans)
    check_pair(*pair, "both.test", "A", "NOERROR")


def test_not_dns(tmp_path):
    """What is no DNS is ignored after a few datagrams, and makes no span."""
    with socket.socket(type=socket.SOCK_DGRAM) as sink, \
            socket.socket(type=socket.SOCK_DGRAM) as source:
        sink.bind(("127.0.0.1", 0))
        source.connect(sink.getsockname())
        config = {"targets": {"ports": [sink.getsockname()[1]]}, "export": {"discard": True}}
        with Agent(tmp_path, config) as agent:
            for _ in range(4):
                source.send(b"some.counter:1|c|#host:example")
            wait_for(lambda: agent.metrics()["sonde_datagrams_unknown_total"] == 4, "the verdict")
            for _ in range(1000):
                source.send(b"some.counter:1|c|#host:example")
            source.close()
            metrics = agent.settled_metrics()
            agent.stop()
    assert metrics["sonde_datagrams_total"] == 4, metrics
    assert metrics["sonde_spans_total"] == lost(metrics) == 0, metrics

# SPDX-License-Identifier: Apache-2.0
"""One trace over several hosts by `propagation: tcp-option` and `header`: three network namespaces, each
with a sonde that sees nothing of the others, and whose programs carry each request's own name from hop to hop."""
import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest

import tls
from checks import of_kind
from workloads import header_cases
from workloads.header_cases import ANSWER, CONTINUE
from net import ip
from servers import go_program
from traced import Agent, Trace, environment, run, wait_for

SERVICE = pathlib.Path(__file__).parent / "workloads" / "hop_service.py"
PORT = 8080
ON = ("--propagation", "tcp-option")
HEADER = ("--propagation", "header")
MODES = ("tcp-option", "header")
OPTION_KIND = 253
INSERTED = re.compile(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])\r\n")
ETH_P_IP, ETH_P_ALL = 0x0800, 0x0003


class Hosts:
    """a - b - c, each a network namespace: a at 10.254.78.1, c at 10.254.79.2, b between them."""
    b_address, c_address = "10.254.78.2", "10.254.79.2"

    def __enter__(self):
        tag = f"hop{os.getpid() % 100000}"
        self.a, self.b, self.c = names = [f"{tag}{letter}" for letter in "abc"]
        with contextlib.ExitStack() as undo:
            for name in names:
                ip("netns", "add", name)
                undo.callback(ip, "netns", "del", name)
                ip("-n", name, "link", "set", "lo", "up")
            self.join((self.a, "b", "10.254.78.1"), (self.b, "a", self.b_address))
            self.join((self.b, "c", "10.254.79.1"), (self.c, "b", self.c_address))
            self.undo = undo.pop_all()
        return self

    def join(self, one, other):
        ip("link", "add", f"to_{one[1]}", "netns", one[0], "type", "veth",
           "peer", "name", f"to_{other[1]}", "netns", other[0])
        for name, peer, address in (one, other):
            ip("-n", name, "address", "add", f"{address}/24", "dev", f"to_{peer}")
            ip("-n", name, "link", "set", f"to_{peer}", "up")

    def __exit__(self, *exc):
        self.undo.close()


class Program:
    """hop_service.py, or another program, in a namespace, from ready to stopped. A context manager."""

    def __init__(self, netns, *args, program=(sys.executable, SERVICE)):
        self.command = ["ip", "netns", "exec", netns, *map(str, (*program, *args))]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env=environment())
        assert self.process.stdout.readline() == "ready\n"
        return self

    @property
    def pid(self):
        return self.process.pid  # ip has become it

    def say(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self, timeout=60):
        """Ends a client; returns how many requests it made. All of them were answered rightly."""
        answer, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0
        return int(answer)

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


@pytest.fixture
def hosts(start):
    return start(Hosts())


@pytest.fixture
def chain(hosts, start):
    """The services of b, which asks c, and of c."""
    last = start(Program(hosts.c, "serve", hosts.c_address, PORT))
    return start(Program(hosts.b, "serve", hosts.b_address, PORT, hosts.c_address, PORT)), last


def client(hosts, threads, requests, keep_alive=True):
    return Program(hosts.a, "ask", hosts.b_address, PORT, threads, requests, int(keep_alive))


def by_path(spans, kind):
    """Spans of a kind by the path of their request: there must be one of each."""
    found = {}
    for span in of_kind(spans, kind):
        attributes = span["attributes"]
        path = re.search(r"/r/[0-9-]+", attributes.get("url.full") or attributes["url.path"])[0]
        assert path not in found, path
        found[path] = span
    return found


def method(span):
    return span["attributes"]["sonde.parent.method"]


def check_hop(sent, received, by="tcp-option"):
    """The server's span is the client's child, and knows it from the option, or the header."""
    assert received["traceId"] == sent["traceId"]
    assert received["parentSpanId"] == sent["spanId"]
    assert method(received) == by


class Wire(threading.Thread):
    """Counts the segments that pass an interface of a namespace: those with the option or the header, by
    what they carry; each once, however many segments have it."""

    def __init__(self, netns, interface):
        super().__init__(daemon=True)
        self.options, self.headers, self.bare, self.others = set(), set(), 0, 0
        self.stopping = False
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
        setns(there)
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
            self.socket.bind((interface, ETH_P_ALL))
        finally:
            setns(home)
            os.close(home)
            os.close(there)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.settimeout(0.2)

    def run(self):
        while not self.stopping:
            with contextlib.suppress(TimeoutError):
                packet, (_, protocol, *_) = self.socket.recvfrom(65536)
                if protocol == ETH_P_IP and packet[9] == socket.IPPROTO_TCP:
                    self.take(packet)
        self.socket.close()

    def take(self, packet):
        tcp = packet[(packet[0] & 15) * 4:int.from_bytes(packet[2:4], "big") or None]
        payload = tcp[(tcp[12] >> 4) * 4:]
        option = self.option_of(tcp[20:(tcp[12] >> 4) * 4])
        header = INSERTED.search(payload[:400])
        if header:
            self.headers.add(header[0])
        elif not option:
            self.others += 1
        elif not payload:
            self.bare += 1
        else:
            self.options.add(option)

    @staticmethod
    def option_of(options):
        while options and options[0] != 0:
            if options[0] == OPTION_KIND:
                return options[:options[1]]
            options = options[1:] if options[0] == 1 else options[options[1]:]
        return None

    @property
    def ids_cnt(self):
        return len(self.options) + len(self.headers)

    def stop(self):
        self.stopping = True
        self.join()
        return self


def setns(fd):
    """Before Python 3.12 there is no os.setns."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(fd, 0x40000000) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.parametrize("keep_alive", [True, False])
def test_one_trace(tmp_path, hosts, chain, start, keep_alive):
    """All requests, of all lengths: the spans of three sondes are one trace, and every hop's parent is
    right. The bytes are what was sent. Options are only where a request begins."""
    check_one_trace(tmp_path, hosts, chain, start, keep_alive, "task")


def test_one_trace_through_go(tmp_path, hosts, start):
    """The same where a goroutine sends what another one was asked for."""
    last = start(Program(hosts.c, "serve", hosts.c_address, PORT))
    program = go_program("relay")
    start(tls.mapped(program))
    middle = start(Program(hosts.b, hosts.b_address, PORT, hosts.c_address, PORT,
                           program=[program]))
    check_one_trace(tmp_path, hosts, (middle, last), start, True, "goroutine")


def check_one_trace(tmp_path, hosts, chain, start, keep_alive, in_middle):
    threads, requests = 4, 40
    middle, last = chain
    asking = start(client(hosts, threads, requests, keep_alive))
    a = start(Trace(tmp_path, *ON, "-p", asking.pid))
    b = start(Trace(tmp_path, *ON, "-p", middle.pid))
    c = start(Trace(tmp_path, *ON, "-p", last.pid))
    wire = Wire(hosts.a, "to_b")
    wire.start()
    asking.say()
    assert asking.finish() == threads * requests
    wire.stop()
    for trace in (a, b, c):
        trace.stop()
        assert "its test has passed" in trace.stderr
    spans_a, spans_b_in = by_path(a.spans, "CLIENT"), by_path(b.spans, "SERVER")
    spans_b_out, spans_c = by_path(b.spans, "CLIENT"), by_path(c.spans, "SERVER")
    paths = {f"/r/{t}-{n}" for t in range(threads) for n in range(requests)}
    assert set(spans_a) == set(spans_b_in) == set(spans_b_out) == set(spans_c) == paths
    for path in paths:
        check_hop(spans_a[path], spans_b_in[path])
        check_hop(spans_b_out[path], spans_c[path])
        assert spans_b_out[path]["traceId"] == spans_b_in[path]["traceId"]
        assert spans_b_out[path]["parentSpanId"] == spans_b_in[path]["spanId"]
        assert method(spans_b_out[path]) == in_middle
    assert len({span["traceId"] for span in spans_a.values()}) == len(paths)
    assert len(wire.options) == len(paths)
    assert wire.bare == 0


def is_first(path):
    """Of the requests of its connection, which is kept alive."""
    return path.endswith("-0")


@pytest.mark.parametrize("keep_alive", [True, False])
def test_one_trace_by_header(tmp_path, hosts, chain, start, keep_alive):
    """The first request of each connection to a server that has been asked before: its spans are one
    trace. All others have no parent, rather than a wrong one."""
    threads, requests = 4, 40
    middle, last = chain
    once, asking = start(client(hosts, 1, 1)), start(client(hosts, threads, requests, keep_alive))
    a = start(Trace(tmp_path, *HEADER, "-p", once.pid, "-p", asking.pid))
    b = start(Trace(tmp_path, *HEADER, "-p", middle.pid))
    c = start(Trace(tmp_path, *HEADER, "-p", last.pid))
    once.say()
    assert once.finish() == 1
    asking.say()
    assert asking.finish() == threads * requests
    for trace in (a, b, c):
        trace.stop()
        assert "its test has passed" in trace.stderr
    sent, received = but_first(a, "CLIENT"), but_first(b, "SERVER")
    passed_on, last_received = but_first(b, "CLIENT"), but_first(c, "SERVER")
    paths = {f"/r/{t}-{n}" for t in range(threads) for n in range(requests)}
    for path in paths:
        if keep_alive and not is_first(path):
            assert method(received[path]) == method(last_received[path]) == "none"
        else:
            check_hop(sent[path], received[path], "header")
            check_hop(passed_on[path], last_received[path], "header")
        assert passed_on[path]["traceId"] == received[path]["traceId"]
        assert passed_on[path]["parentSpanId"] == received[path]["spanId"]
        assert method(passed_on[path]) == "task"
    assert set(sent) == set(received) == set(passed_on) == set(last_received) == paths
    assert len({span["traceId"] for span in sent.values()}) == len(paths)


def but_first(trace, kind):
    """By path, without the first one, of the client that has asked before."""
    return by_path(of_kind(trace.spans, kind)[1:], kind)


UNTOUCHED = {
    "trace", "connect", "version_0_9", "http2", "bare_line_feeds", "longest_head", "w3c", "b3",
    "x-b3-traceid", "uber-trace-id", "x-datadog-trace-id", "x-amzn-trace-id", "not_http", "nothing",
    "byte_by_byte", "split_head", "all_by_sendfile", "small_segments"}


class Answering(threading.Thread):
    """The server of header_cases.py; keeps what each connection has sent."""

    def __init__(self, address):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family)
        self.received = []

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                with self.listener.accept()[0] as s:
                    self.received.append(self.serve(s))

    def serve(self, s):
        got, answered = b"", 0
        while piece := s.recv(1 << 20):
            got += piece
            if b" /case/reset " in got and b"\r\n\r\n" in got:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return got
            if b" /case/wait " in got and not got.endswith(b"\r\n\r\nx"):
                continue
            for _ in range(got.count(b"\r\n\r\n") - answered):
                s.sendall(CONTINUE if b" /case/expect " in got else ANSWER)
                answered += 1
            if b" /case/expect " in got and got.endswith(b"body"):
                s.sendall(ANSWER)
        return got

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()


def run_cases(tmp_path, start, address, *args):
    """What the client of all cases has seen, what the server has received, by case, and its trace."""
    server = Answering(address)
    server.start()
    port = server.listener.getsockname()[1]
    command = [sys.executable, header_cases.__file__, address, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environment()) as client:
        try:
            assert client.stdout.readline() == "ready\n"
            trace = start(Trace(tmp_path, *args, "-p", client.pid))
            out, _ = client.communicate("go\n", timeout=60)
        finally:
            client.kill()
    server.stop()
    names = ["first", *header_cases.CASES]
    assert len(server.received) == len(names)
    return json.loads(out), dict(zip(names, server.received)), trace.stop()


def statuses(trace):
    return collections.Counter((path_of(span), span["attributes"].get("http.response.status_code"))
                               for span in of_kind(trace.spans, "CLIENT"))


def path_of(span):
    return span["attributes"]["url.full"].rpartition("/")[2]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_same_by_header(tmp_path, start, address):
    """Requests of all kinds arrive as they were sent but for one line, at most, behind their first; the
    client sees no difference; the spans have the ids that were sent, and nothing is missed."""
    seen, received, trace = run_cases(tmp_path, start, address)
    seen_then, received_then, trace_then = run_cases(tmp_path, start, address, *HEADER)
    assert seen_then == seen
    spans = {path_of(span): span for span in of_kind(trace_then.spans, "CLIENT")}
    for name, sent in received.items():
        arrived = received_then[name]
        if name == "first" or name in UNTOUCHED:
            assert arrived == sent, name
            continue
        first_line, _, rest = arrived.partition(b"\r\n")
        ids = INSERTED.match(rest)
        assert ids, (name, arrived[:200])
        assert first_line + b"\r\n" + rest[ids.end():] == sent, name
        assert spans[name]["traceId"] == ids[1].decode(), name
        assert spans[name]["spanId"] == ids[2].decode() and ids[3] == b"01", name
    assert statuses(trace_then) == statuses(trace)
    for count in ("spans", "gaps", "unparsed_bytes"):
        assert trace_then.account.get(count) == trace.account.get(count), count
    assert trace_then.account.lost == trace.account.lost


def test_off_by_default(tmp_path, hosts, chain, start):
    """Without the setting nothing is sent, and what other hosts send is not looked at."""
    middle, last = chain
    asking = start(client(hosts, 1, 8))
    a, b = start(Trace(tmp_path, "-p", asking.pid)), start(Trace(tmp_path, "-p", middle.pid))
    wire = Wire(hosts.a, "to_b")
    wire.start()
    asking.say()
    assert asking.finish() == 8
    wire.stop()
    for trace, kind in ((a, "CLIENT"), (b, "SERVER")):
        spans = by_path(trace.stop().spans, kind).values()
        assert len(spans) == 8
        assert all(method(span) == "none" for span in spans)
    assert not wire.options and wire.others


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("deny", ["deny", "deny_names", "deny_cgroups"])
def test_denied(tmp_path, hosts, chain, start, deny, mode):
    """A client that is denied, in each of the ways, sends none; another one does."""
    middle, last = chain
    asking = start(client(hosts, 1, 8, keep_alive=False))
    name = pathlib.Path(f"/proc/{asking.pid}/comm").read_text().strip()
    group = own_cgroup(start, asking.pid)
    denied = {"deny": os.path.realpath(f"/proc/{asking.pid}/exe"), "deny_names": name,
              "deny_cgroups": str(group)}
    env = {f"SONDE_PROPAGATION_{deny.upper()}": denied[deny]}
    a = start(Trace(tmp_path, "--propagation", mode, "-p", asking.pid, env=env))
    wire = Wire(hosts.a, "to_b")
    wire.start()
    asking.say()
    assert asking.finish() == 8
    assert "its test has passed" in a.stop().stderr
    assert len(a.spans) == 8
    wire.stop()
    assert not wire.ids_cnt and wire.others


def own_cgroup(start, pid):
    """Moves the process into a cgroup of its own."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    root = pathlib.Path(next(m[1] for m in mounts if m[2] == "cgroup2"))
    group = root / f"sonde-hop-{os.getpid()}"
    before = root / pathlib.Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::/")[2].strip()
    group.mkdir()

    @contextlib.contextmanager
    def there():
        (group / "cgroup.procs").write_text(str(pid))
        try:
            yield
        finally:
            for member in (group / "cgroup.procs").read_text().split():
                (before / "cgroup.procs").write_text(member)
            wait_for(lambda: not (group / "cgroup.procs").read_text(), "the cgroup to be empty")
            group.rmdir()
    start(there())
    return group


@pytest.mark.parametrize("mode", MODES)
def test_kill_switch(tmp_path, hosts, chain, start, mode):
    """Switched off and on by reloads while requests pass: none fails, and ids go exactly while it is
    on."""
    def config(mode, pid):
        return {"targets": {"pids": [pid]}, "propagation": {"mode": mode},
                "export": {"discard": True}}

    middle, last = chain
    asking = start(client(hosts, 4, 0, keep_alive=False))
    agent = start(Agent(tmp_path, config(mode, asking.pid)))
    wire = Wire(hosts.a, "to_b")
    wire.start()
    asking.say()
    for _ in range(3):
        seen = wire.ids_cnt
        wait_for(lambda: wire.ids_cnt > seen + 20, "ids to be sent")
        lines = agent.log.count("reloaded propagation.mode")
        agent.write_config(config("off", asking.pid))
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: agent.log.count("reloaded propagation.mode") > lines, "a reload")
        others = wire.others
        wait_for(lambda: wire.others > others + 500, "requests that began before it to pass")
        seen, others = wire.ids_cnt, wire.others
        wait_for(lambda: wire.others > others + 2000, "requests without ids")
        assert wire.ids_cnt == seen
        agent.write_config(config(mode, asking.pid))
        agent.process.send_signal(signal.SIGHUP)
    asking.say()
    assert asking.finish() > 100
    wire.stop()
    assert agent.stop().log.count("its test has passed") >= 3


@pytest.mark.parametrize("mode", MODES)
def test_killed(tmp_path, hosts, chain, start, mode):
    """sonde is killed while requests pass: none fails, and none has ids any more."""
    asking = start(client(hosts, 4, 0, keep_alive=False))
    trace = start(Trace(tmp_path, "--propagation", mode, "-p", asking.pid))
    wire = Wire(hosts.a, "to_b")
    wire.start()
    asking.say()
    wait_for(lambda: wire.ids_cnt > 20, "ids to be sent")
    trace.process.kill()
    trace.process.wait()
    others = wire.others
    wait_for(lambda: wire.others > others + 2000, "the kernel to end its programs")
    seen, others = wire.ids_cnt, wire.others
    wait_for(lambda: wire.others > others + 2000, "requests without ids")
    assert wire.ids_cnt == seen
    asking.say()
    assert asking.finish() > 100
    wire.stop()


IDLE_CLIENT = """
import array, fcntl, select, socket, sys, termios
print("ready", flush=True)
sys.stdin.readline()
at = ("127.0.0.1", int(sys.argv[1]))
with socket.create_connection(at) as s:
    s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
with socket.create_connection(at) as s:
    print("idle", flush=True)
    select.select([s], [], [])
    waiting, tries = array.array("i", [0]), 0
    while waiting[0] == 0 and tries < 200:  # the kernel takes down what was killed in its own time
        fcntl.ioctl(s, termios.FIONREAD, waiting)
        tries += 1
        select.select([], [], [], 0.05)
    print(waiting[0], s.recv(100), flush=True)
"""


@pytest.mark.parametrize("end", [Trace.stop, lambda trace: trace.process.kill()],
                         ids=["stopped", "killed"])
def test_idle_by_header(tmp_path, start, end):
    """A connection that has sent nothing, and could still get a header, is as all others when sonde ends."""
    listener = start(socket.create_server(("127.0.0.1", 0)))
    command = [sys.executable, "-c", IDLE_CLIENT, str(listener.getsockname()[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environment()) as asking:
        assert asking.stdout.readline() == "ready\n"
        trace = start(Trace(tmp_path, *HEADER, "-p", asking.pid))
        asking.stdin.write("go\n")
        asking.stdin.flush()
        first, idle = listener.accept()[0], listener.accept()[0]
        assert asking.stdout.readline() == "idle\n"
        end(trace)
        trace.process.wait()
        with first, idle:
            idle.sendall(b"hello")
            assert asking.stdout.readline() == f"5 {b'hello'!r}\n"


@pytest.mark.parametrize("mode", MODES)
def test_trace_goes_on(tmp_path, hosts, chain, start, mode):
    """A request that names its trace, and says that this one is not sampled: what is sent for it goes on in
    that trace, and says so where there is room to."""
    middle, last = chain
    traces = [start(Trace(tmp_path, "--propagation", mode, "-p", p.pid)) for p in (middle, last)]
    wire = Wire(hosts.b, "to_c")
    wire.start()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    for n in range(3):
        subprocess.run(["ip", "netns", "exec", hosts.a, "curl", "-sS", "--data", "x", "-H",
                        f"TraceParent: 00-{trace_id}-b7ad6b7169203331-00",
                        f"http://{hosts.b_address}:{PORT}/r/0-{n}"], check=True, timeout=20,
                       stdout=subprocess.DEVNULL, env=environment())
    wire.stop()
    b, c = (trace.stop().spans for trace in traces)
    sent, received = by_path(b, "CLIENT"), by_path(c, "SERVER")
    for path in ("/r/0-1", "/r/0-2"):
        check_hop(sent[path], received[path], mode)
        assert received[path]["traceId"] == trace_id
    assert wire.ids_cnt == (2 if mode == "header" else 3)
    assert all(header.endswith(b"-00\r\n") for header in wire.headers)


def put_on_path(tmp_path, netns, interface, what):
    """What comes in there passes a program of path.bpf.c first."""
    program = tmp_path / "path.bpf.o"
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu",
                    "-c", SERVICE.parent / "path.bpf.c", "-o", program], check=True)
    for args in (("qdisc", "add", "dev", interface, "clsact"),
                 ("filter", "add", "dev", interface, "ingress", "bpf", "direct-action",
                  "object-file", program, "section", what)):
        subprocess.run(["tc", "-n", netns, *args], check=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("does", ["drop", "strip"])
def test_unfriendly_path(tmp_path, hosts, chain, start, does):
    """What is between the hosts drops segments with such options, or takes the options away: all
    requests are answered, and the spans are as without."""
    middle, last = chain
    requests = 6
    put_on_path(tmp_path, hosts.b, "to_a", does)
    asking = start(client(hosts, 1, requests))
    a = start(Trace(tmp_path, *ON, "-p", asking.pid))
    b = start(Trace(tmp_path, *ON, "-p", middle.pid))
    wire = Wire(hosts.a, "to_b")
    wire.start()
    asking.say()
    assert asking.finish() == requests
    assert len(wire.stop().options) == requests
    spans_a, spans_b = by_path(a.stop().spans, "CLIENT"), by_path(b.stop().spans, "SERVER")
    assert len(spans_a) == len(spans_b) == requests
    for span in (*spans_a.values(), *spans_b.values()):
        assert method(span) == "none"


def test_self_test(tmp_path, hosts, chain):
    """Where its test fails sonde says so, sends nothing, and traces as ever."""
    alone = f"{hosts.a}x"
    ip("netns", "add", alone)  # its loopback device is down
    try:
        inside = ["ip", "netns", "exec", alone]
        trace = Trace(tmp_path, *ON, "-p", os.getpid())
        trace.command[:0] = inside
        with trace:
            wait_for(lambda: "propagation is off" in trace.stderr, "the failure to be told")
            trace.stop()
        assert "cannot connect to 127.0.0.1" in trace.stderr
        doctor = subprocess.run([*inside, trace.command[len(inside)], "doctor"], text=True,
                                capture_output=True, env=environment(), timeout=60)
        assert re.search(r"ids sent to other hosts +missing", doctor.stdout), doctor.stdout
        assert "cannot connect to 127.0.0.1" in doctor.stdout
    finally:
        ip("netns", "del", alone)
    assert re.search(r"ids sent to other hosts +ok", run("doctor", timeout=60).stdout)

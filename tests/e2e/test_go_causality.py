# SPDX-License-Identifier: Apache-2.0
"""Which request of a Go program made which: by goroutines, whatever connection or goroutine sends for them."""
import collections
import pathlib
import subprocess

import pytest

import tls
from servers import go_program
from test_tls_go import EXTERNAL, oldest_program
from traced import Trace, environment, wait_for

WARM, FIRST, LAST = 100, 1001, 1300
CLIENTS = 32
# What each request makes, and whose it must be: every one, or none that is another's.
MADE = {"handler": 2, "fan": 4, "nested": 4, "raw": 1, "bare": 4, "pool": 1, "short": 1,
        "detached": 1}
ALL_RIGHT = {"handler", "fan", "nested", "raw", "rpc", "stream"}
PROGRAMS = {
    "newest": lambda: go_program("hops"),
    "stripped-pie": lambda: go_program("hops", tls.STRIPPED, "-buildmode=pie"),
    "cgo": lambda: go_program("hops", EXTERNAL),
    "oldest": lambda: oldest_program("hops"),
}


class Hops:
    """Two servers, of which one asks the other, and clients."""

    def __init__(self, start_process, program, scheme, authority, **env):
        self.program, self.scheme = program, scheme
        self.env = environment(**authority.env, **env)
        self.pem = [authority.pem] if scheme == "https" else []
        self.back, self.back_rpc = start_process(self.command("back", *self.pem))
        self.front, self.front_rpc = start_process(self.command(
            "front", self.url(self.back), f"127.0.0.1:{self.back_rpc}", *self.pem))

    def command(self, *args):
        return [self.program, *args], self.env

    def url(self, port):
        return f"{self.scheme}://127.0.0.1:{port}"

    @property
    def ports(self):
        return [arg for port in (self.front, self.front_rpc, self.back, self.back_rpc)
                for arg in ("--port", port)]

    def load(self, how, first, last, clients=CLIENTS, rpc=False):
        to = f"127.0.0.1:{self.front_rpc}" if rpc else self.url(self.front)
        command, env = self.command("load", to, how, str(clients), str(first), str(last), *self.pem)
        subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL, env=env)


@pytest.fixture
def start_process():
    started = []

    def start(command):
        args, env = command
        process = subprocess.Popen(args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env)
        started.append(process)
        return map(int, process.stdout.readline().split())

    yield start
    for process in started:
        process.kill()
        process.wait()


def name_of(span):
    attributes = span["attributes"]
    path = attributes.get("rpc.method_original") or attributes.get("rpc.method") or \
        attributes.get("url.path") or attributes["url.full"].split("/", 3)[-1]
    return path.strip("/").split("/")


def score(spans):
    """By how requests were made: how many of those made have the right parent, none, or another's."""
    by_id = {span["spanId"]: span for span in spans}
    scores = collections.defaultdict(collections.Counter)
    for span in spans:
        name = name_of(span)
        if span["kind"] != "CLIENT" or len(name) != 3 or int(name[1]) < FIRST:
            continue
        method = span["attributes"]["sonde.parent.method"]
        parent = by_id.get(span.get("parentSpanId"))
        if parent is None:
            assert not span.get("parentSpanId") and method in ("none", "ambiguous"), span
            scores[name[0]]["none"] += 1
        else:
            right = name_of(parent) == name[:2] and parent["kind"] == "SERVER"
            assert not right or (method == "goroutine" and parent["traceId"] == span["traceId"])
            scores[name[0]]["right" if right else "wrong"] += 1
    return scores


def check(scores, hows, made=MADE):
    for how in hows:
        made_cnt = made[how] * (LAST - FIRST + 1)
        assert scores[how].total() == made_cnt, (how, scores[how])
        assert scores[how]["wrong"] == 0, (how, scores[how])
        if how in ALL_RIGHT:
            assert scores[how]["right"] == made_cnt, (how, scores[how])


def trace_hops(tmp_path, hops, hows, rpc=()):
    with tls.mapped(hops.program), Trace(tmp_path, *hops.ports) as trace:
        for by_rpc in rpc or [False]:
            if rpc:  # whose connection is older than sonde
                hops.load("rpc", 1, WARM, rpc=by_rpc)
            for how in hows:
                hops.load(how, FIRST, LAST, rpc=by_rpc)
        trace.stop()
    print(trace.account)  # where one is missing
    return score(trace.spans)


@pytest.mark.parametrize("built", PROGRAMS)
def test_each_is_its_makers(tmp_path, start_process, authority, built):
    hops = Hops(start_process, PROGRAMS[built](), "http", authority)
    check(trace_hops(tmp_path, hops, list(MADE)), MADE)


@pytest.mark.parametrize("http2", ["", "1"])
def test_over_tls(tmp_path, start_process, authority, http2):
    hows = [how for how in MADE if how != "raw"]
    hops = Hops(start_process, PROGRAMS["newest"](), "https", authority, HTTP2=http2)
    check(trace_hops(tmp_path, hops, hows), hows)


# What is made over gRPC, and by those who are asked over it: each twice, since that is asked over HTTP, too.
MADE_RPC = {"rpc": 8, "stream": 4, "handler": 4, "fan": 8, "bare": 8, "pool": 2}


@pytest.mark.parametrize("built, scheme, env", [
    ("newest", "http", {}), ("oldest", "https", {"WORKERS": "4", "HTTP2": "1"})])
def test_grpc(tmp_path, start_process, authority, built, scheme, env):
    """Of several versions, whose clients send for all from one goroutine."""
    hops = Hops(start_process, PROGRAMS[built](), scheme, authority, **env)
    check(trace_hops(tmp_path, hops, MADE_RPC, rpc=(False, True)), MADE_RPC, MADE_RPC)


def test_pools_that_seem_harmless(tmp_path, start_process, authority):
    """Their workers are started by requests. At first each works for that one only, under load for others, too."""
    hops = Hops(start_process, PROGRAMS["newest"](), "http", authority)
    with tls.mapped(hops.program), Trace(tmp_path, *hops.ports) as trace:
        for how in ("short", "pool"):
            for number in range(1, 11):
                hops.load(how, number, number, clients=1)
            hops.load(how, FIRST, LAST)
        trace.stop()
    check(score(trace.spans), ("pool", "short"))


def test_connections_that_are_older(tmp_path, start_process, authority):
    """Who writes to them was not seen to begin: it is found where it waits for work."""
    hops = Hops(start_process, PROGRAMS["newest"](), "http", authority)
    hops.load("handler", 1, WARM)
    check(trace_hops(tmp_path, hops, ["handler"]), ["handler"])


def probes_in(trace, program):
    """How many there are in the program, as the kernel tells it of each link."""
    counts = []
    for info in pathlib.Path(f"/proc/{trace.process.pid}/fdinfo").iterdir():
        fields = dict(line.split(":\t", 1) for line in info.read_text().splitlines() if ":\t" in line)
        if fields.get("path") == program:
            counts.append(int(fields["uprobe_cnt"]))
    return sum(counts)


def test_who_only_asks_has_no_probes(tmp_path, start_process, authority):
    """Those that each request hits are taken away where they tell nothing, and come back where they do."""
    hops = Hops(start_process, PROGRAMS["newest"](), "http", authority)
    with tls.mapped(hops.program), Trace(tmp_path, *hops.ports) as trace:
        at_first = probes_in(trace, hops.program)
        hops.load("quiet", 1, 1100)
        wait_for(lambda: 0 < probes_in(trace, hops.program) < at_first, "probes to be taken away")
        hops.load("handler", 1, 1, clients=1)
        wait_for(lambda: probes_in(trace, hops.program) == at_first, "probes to be back")
        hops.load("handler", FIRST, LAST)
        trace.stop()
    assert "/handler/1/0" in trace.stdout
    check(score(trace.spans), ["handler"])

# SPDX-License-Identifier: Apache-2.0
"""The same traffic (scenarios) on the running kernel and on older ones, by every variant of the socket
hooks, judged by the same rules: what nginx and curl say they did is what the spans must say."""
import collections
import json
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import machine  # noqa: E402
from checks import check_inside, of_kind, paired  # noqa: E402
from traced import Account, read_spans  # noqa: E402

# Who makes a run: (kernel, capture.variant); "running" is the kernel that the tests run on.
RUNS = [("running", "tp_btf"), ("6.1", "auto"), ("6.1", "kprobe")]
REFUSED = [("6.1", "tp_btf")]
AUTO = {"6.1": "fexit"}  # what it comes to
SOCKET_HOOK = {
    "tp_btf": "tp_btf/sock_{send,recv}_length",
    "fexit": "fexit/{tcp,unix_stream,udp}_{send,recv}msg",
    "kprobe": "kprobe/{tcp,unix_stream,udp}_{send,recv}msg",
}
# Requests that a client sent from no buffer: its end does not see them, and they count as lost.
BUFFERLESS = re.compile("/(sendfile|splice)-read/")


class Run:
    """What one run of the scenarios left."""

    def __init__(self, directory):
        self.directory = directory
        if (directory / "start_s").exists():
            self.all_spans = read_spans(self.text("spans"))
            self.account = Account.read(self.text("trace.err"))

    def text(self, name):
        return (self.directory / name).read_text(errors="replace")

    @property
    def capabilities(self):
        return {c["name"]: c for c in json.loads(self.text("doctor.json"))["capabilities"]}

    def served(self):
        """(method, path, status) of each request that was made while tracing, by nginx."""
        lines = [tuple(line.split()[:3]) for line in self.text("served").splitlines()]
        return lines[lines.index(("GET", "/before", "404")) + 1:]

    def spans(self, kind):
        return [s for s in of_kind(self.all_spans, kind) if "http.request.method" in s["attributes"]]

    @property
    def framed(self):
        return [s for s in self.all_spans if "db.system.name" in s["attributes"]]

    @property
    def lookups(self):
        return [s for s in self.all_spans if "dns.question.name" in s["attributes"]]


def path_of(span):
    a = span["attributes"]
    return a.get("url.path") or re.sub("^https?://[^/]*", "", a["url.full"])


def exchange(span):
    """A span as nginx would log it."""
    a = span["attributes"]
    return a["http.request.method"], path_of(span), str(a.get("http.response.status_code"))


def at_server(line):
    method, path, status = line
    return method, path, "None" if path == "/hangup" else status


def at_client(line):
    method, path, status = at_server(line)
    return method, path, "None" if path.startswith("/write-splice/") else status


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Runs are made when the first test asks for one of them, a machine for all of its variants."""
    made = {}

    def get(kernel, variant):
        if kernel not in made:
            directory = tmp_path_factory.mktemp(f"kernel-{kernel}")
            if kernel == "running":
                machine.run_here(variant, directory)
                made[kernel] = directory
            else:
                variants = ",".join(v for k, v in RUNS + REFUSED if k == kernel)
                made[kernel] = machine.run_vm(kernel, variants, directory)
        return Run(made[kernel] / variant)
    return get


@pytest.fixture(params=RUNS, ids="-".join)
def run(request, runs):
    kernel, variant = request.param
    found = runs(kernel, variant)
    assert found.text("status").strip() == "0", found.text("trace.err")
    assert (found.directory / "start_s").exists(), found.text("trace.err")
    begun, ended = map(float, found.text("start_s").split())
    print(f"{kernel} {variant}: started in {ended - begun:.2f} s")
    found.variant = AUTO[kernel] if variant == "auto" else variant
    found.kernel = kernel
    return found


def test_doctor_names_the_hook(run):
    assert run.capabilities["socket traffic"]["hook"] == SOCKET_HOOK[run.variant]
    for name, capability in run.capabilities.items():
        # Programs of the cgroups have no task storage in 6.1 (docs/causality.md).
        lacks = run.kernel == "6.1" and name.startswith(("ids sent ", "requests that Puma "))
        assert (capability["state"] == "missing") == lacks, capability
        assert capability["state"] == "ok" or capability["why"], capability


def test_every_request_is_a_span_or_lost(run):
    """At the server's end nothing is lost; at the client's what had no buffer, and nothing else."""
    served = run.served()
    unseen = [line for line in served if BUFFERLESS.match(line[1])]
    assert len(served) > 500 and len(unseen) == 6
    assert collections.Counter(map(exchange, run.spans("SERVER"))) == \
        collections.Counter(map(at_server, served))
    assert collections.Counter(map(exchange, run.spans("CLIENT"))) == \
        collections.Counter(at_client(line) for line in served if line not in unseen)
    assert run.account.spans == len(run.all_spans) == \
        2 * len(served) - len(unseen) + len(run.lookups) + len(run.framed)
    assert run.account.lost == run.account["lost.gap"] == len(unseen), run.account
    for counter in ("ring_full", "unreadable", "no_storage", "unreturned", "records_invalid"):
        assert counter not in run.account, run.account


def test_every_frame_is_seen(run):
    """Two connections, each with one exchange before the kernel walks their frames and 20 * 8 after."""
    assert run.text("framed").split() == ["open", str(2 * 20 * 8)]
    pairs = paired(run.framed)
    assert len(run.framed) == 2 * len(pairs) == 2 * 2 * (1 + 20 * 8)


def test_every_lookup_is_a_pair(run):
    """Datagrams by every way, each seen once at each end."""
    assert sum(map(int, run.text("answered").split())) == 18 * 10
    pairs = paired(run.lookups)
    assert len(pairs) == 18 * 10
    asked = collections.Counter(c["attributes"]["dns.question.name"] for c, _ in pairs)
    assert asked == {f"n-{i}.w.test": 18 for i in range(10)}
    for client, server in pairs:
        for key in ("dns.question.name", "dns.response_code", "server.port"):
            assert client["attributes"][key] == server["attributes"][key]
        assert client["attributes"]["server.address"] == server["attributes"]["client.address"]
        assert client["attributes"]["dns.answers"] == ["192.0.2.7"]
        assert "error.type" not in client["attributes"]
    assert "datagrams_unknown" not in run.account, run.account


def test_sizes(run):
    """Bodies are as long as curl says, at both ends."""
    asked = [re.fullmatch(r"(\w+) \w+://[^/]*(\S+) (\d+) (\d+)", line).groups()
             for line in run.text("asked").splitlines()]
    assert len(asked) >= 450
    expected = collections.Counter((method, path, status, int(size))
                                   for method, path, status, size in asked)
    for kind in ("CLIENT", "SERVER"):
        seen = collections.Counter(
            (*exchange(s), s["attributes"].get("http.response.body.size", 0))
            for s in run.spans(kind) if "error.type" not in s["attributes"]
            or s["attributes"]["error.type"].isdigit())
        assert not expected - seen, kind
        uploads = [s["attributes"]["http.request.body.size"] for s in run.spans(kind)
                   if path_of(s) == "/upload"]
        assert uploads == [1 << 20, 612]


def told_late(client, server):
    """A send on a unix socket has no time of departure, only that of its hook. If the sender was held up
    just before it, as happens in emulation, the answer seems to come before the question, and such ends
    are not joined."""
    return client["attributes"]["network.transport"] == "unix" and \
        client["startTimeUnixNano"] > server["endTimeUnixNano"]


def test_parents(run):
    """Every server span is the child of the client span at the other end, save where there is none."""
    clients = {s["spanId"]: s for s in run.spans("CLIENT")}
    late = {path_of(s): s for s in clients.values() if s["attributes"]["network.transport"] == "unix"}
    pairs = []
    for span in run.spans("SERVER"):
        parent = clients.get(span["parentSpanId"])
        if parent is None and path_of(span) in late and told_late(late[path_of(span)], span):
            assert span["attributes"]["sonde.parent.method"] == "none", span
        elif BUFFERLESS.match(path_of(span)):
            assert span["parentSpanId"] == "", span
        elif path_of(span) == "/items/header":
            assert span["attributes"]["sonde.parent.method"] == "header"
            assert span["parentSpanId"] == "0123456789abcdef"
        else:
            assert span["attributes"]["sonde.parent.method"] == "socket", span
            assert path_of(clients.pop(span["parentSpanId"])) == path_of(span)
            pairs.append((parent, span))
    check_inside(pairs)
    assert len(pairs) > 450


def test_ends(run):
    """What was closed ended so, at both ends, and nothing else did."""
    for kind in ("CLIENT", "SERVER"):
        closed = [path_of(s) for s in run.spans(kind)
                  if s["attributes"].get("error.type") == "connection_closed"
                  and not path_of(s).startswith("/write-splice/")]
        assert sorted(closed) == ["/hangup", "/slow"]


def test_processes(run):
    """Each span is of the program that it should be."""
    programs = {kind: {s["resource"]["process.executable.name"] for s in run.spans(kind)}
                for kind in ("CLIENT", "SERVER")}
    assert programs == {"CLIENT": {"curl", "busybox", "ways", "nginx"}, "SERVER": {"nginx"}}


def test_nothing_is_left_behind(run):
    """Probes that were made for sonde have gone with it."""
    assert not (run.directory / "trace.failed").exists()
    assert "sonde" not in run.text("left")


@pytest.mark.parametrize("kernel, variant", REFUSED)
def test_what_cannot_work_says_so(runs, kernel, variant):
    """A hook that the kernel lacks: a sentence that names it and says what to do, and no spans."""
    run = runs(kernel, variant)
    assert run.text("doctor.failed").strip() == "1"
    refused = run.capabilities["socket traffic"]
    assert refused["state"] == "missing" and refused["todo"] and SOCKET_HOOK[variant] in refused["tried"]
    said = run.text("trace.err")
    assert said.startswith("error: no hook for socket traffic") and "doctor" in said, said
    assert len(said.splitlines()) == 1 and run.text("spans") == ""

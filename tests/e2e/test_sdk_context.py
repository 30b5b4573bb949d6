# SPDX-License-Identifier: Apache-2.0
"""What programs' own SDKs publish for others to read: their resource (OTEP 4719), and the span that each thread works for
(OTEP 4947). By a real one, and by a program of ours that is linked in each of the ways there are."""
import collections
import contextlib
import subprocess
import sys
import time
import urllib.request

import pytest

import profcheck
import servers
from checks import of_kind
from servers import WORKLOADS
from traced import ROOT, Profile, wait_for

LIBRARY = ("-DLIBRARY", "-shared", "-fPIC")
# How the variable is found: options of the library, if there is one, and of the program.
WAYS = {
    "program": (None, ["-rdynamic"]),
    "static": (None, ["-static"]),
    "static_pie": (None, ["-static-pie", "-Wl,--export-dynamic-symbol=otel_thread_ctx_v1"]),
    "initial_exec": (["-ftls-model=initial-exec"], ["-DLINKS_LIBRARY"]),
    "descriptor": (["-mtls-dialect=gnu2"], ["-DLINKS_LIBRARY"]),
    "opened_descriptor": (["-mtls-dialect=gnu2"], ["-DOPENS_LIBRARY"]),
    "opened_module": (["-mtls-dialect=gnu"], ["-DOPENS_LIBRARY"]),
}


# --- a program of ours -----------------------------------------------------------------------------

def compile_it(output, *options):
    subprocess.run(["gcc", "-O2", "-pthread", f"-I{ROOT}", "-o", output,
                    WORKLOADS / "publisher.c", *options], check=True)


@contextlib.contextmanager
def publisher(directory, way, *args):
    """Yields the process, and {function: (trace id, span id)}."""
    library, options = WAYS[way]
    if library:
        compile_it(directory / "libpublisher.so", *LIBRARY, *library)
    linked = ["-L", directory, "-lpublisher", f"-Wl,-rpath,{directory}"]
    compile_it(directory / "publisher", *options, *(linked if "-DLINKS_LIBRARY" in options else []))
    with subprocess.Popen([directory / "publisher", *args, directory / "libpublisher.so"],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            ids = {}
            for line in (process.stdout.readline(), process.stdout.readline()):
                place, *ids[line.split()[0]] = line.split()
            yield process, ids
        finally:
            process.kill()


def names(sample):
    return {frame["name"] for frame in sample["stack"]}


def check_links(samples, ids):
    """What a sample is in says which span it is linked to. Returns how many are, and how many should be."""
    linked = collections.Counter()
    for sample in samples:
        place = ({"red", "green", "plain"} & names(sample) or {None}).pop()
        got = [sample["traceId"], sample["spanId"]]
        linked[place] += sample["spanId"] != ""
        if sample["spanId"] and place:
            assert got == ids.get(place), (place, got)
    return linked


@pytest.mark.parametrize("way", WAYS)
def test_thread_context(tmp_path, collector, way):
    with publisher(tmp_path, way) as (process, ids):
        with Profile(tmp_path, "-p", process.pid, "--freq", "199", "--export",
                     collector.url) as running:
            time.sleep(3)
            running.stop()
    samples = sorted(wait_for(lambda: collector.samples(process.pid), "the profile to arrive"),
                     key=lambda sample: sample["time"])
    assert profcheck.violations(collector.profiles()[-1]) == []
    linked = check_links(samples, ids)
    assert not linked["plain"]
    # Of both threads, also of the one that ran before the library was there: all, once it has been found.
    for of_main in (True, False):
        inside = [s["spanId"] for s in samples if bool({"main"} & names(s)) == of_main
                  and {"red", "green"} & names(s)]
        found = next(i for i, span_id in enumerate(inside) if span_id)
        assert all(inside[found:]) and len(inside) - found > 50, (found, len(inside))
    assert running.account["samples_published"] == sum(linked.values())


def test_waiting_threads(tmp_path, collector):
    """Threads that sleep have a span as well as those that run."""
    with publisher(tmp_path, "opened_descriptor", "-s") as (process, ids):
        with Profile(tmp_path, "--off-cpu", "-p", process.pid, "--freq", "99", "--export",
                     collector.url) as running:
            time.sleep(3)
            running.stop()
    samples = wait_for(lambda: collector.samples(process.pid), "the profile to arrive")
    linked = check_links(samples, ids)
    assert not linked["plain"] and min(linked["red"], linked["green"]) > 20, linked


# --- another tracer's map --------------------------------------------------------------------------

@pytest.fixture
def pins(tmp_path):
    """A BPF file system."""
    directory = tmp_path / "bpf"
    directory.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def test_map_of_another_tracer(tmp_path, collector, pins):
    """Made by whoever comes first, here sonde; the second time it is there."""
    path = pins / "otel" / "traces_ctx_v1"
    env = {"SONDE_PROFILES_CONTEXT_MAP": str(path)}
    with Profile(tmp_path, "--freq", "19", env=env) as first:
        assert path.exists()
        first.stop()
    with publisher(tmp_path, "program", "-m", path) as (process, ids):
        with Profile(tmp_path, "-p", process.pid, "--freq", "199", "--export", collector.url,
                     env=env) as running:
            time.sleep(2)
            running.stop()
    samples = wait_for(lambda: collector.samples(process.pid), "the profile to arrive")
    linked = check_links(samples, ids)
    assert not linked["plain"]
    inside = [s["spanId"] for s in samples if {"red", "green"} & names(s)]
    assert len(inside) > 100 and all(inside)


def test_no_such_map(tmp_path, pins):
    """What cannot be used is told, with what to do, and the profile is made without."""
    wrong = pins / "wrong"
    subprocess.run(["bpftool", "map", "create", wrong, "type", "array", "key", "4", "value", "24",
                    "entries", "1", "name", "wrong"], check=True)
    for path, told in ((wrong, "not a map that says"),
                       (tmp_path / "map", "mount -t bpf")):
        with Profile(tmp_path, "--freq", "99", env={"SONDE_PROFILES_CONTEXT_MAP": str(path)}) as running:
            running.stop()
        assert told in running.stderr, running.stderr


# --- a real SDK ------------------------------------------------------------------------------------

class DdtraceService(servers.Server):
    command = [sys.executable, str(WORKLOADS / "ddtrace_service.py")]
    service = "till"

    def __init__(self, tmp_path):
        super().__init__(tmp_path, env={
            "DD_SERVICE": self.service, "DD_ENV": "market", "DD_VERSION": "7",
            "DD_TRACE_STARTUP_LOGS": "0", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false"})


@pytest.fixture
def till(tmp_path, start):
    return start(DdtraceService(tmp_path))


def ask(server):
    """Returns the ids of a request's spans: trace, outer, inner."""
    with urllib.request.urlopen(server.url, timeout=30) as answer:
        return answer.read().decode().split()


def test_resource_of_a_real_sdk(tracing, till):
    trace = tracing("--port", till.port)
    ask(till)
    trace.stop()
    (served,) = of_kind(trace.spans, "SERVER")
    resource = served["resource"]
    assert (resource["service.name"], resource["service.version"]) == (till.service, "7")
    assert resource["deployment.environment.name"] == "market"
    assert resource["process.pid"] == till.pid and resource["telemetry.sdk.name"] == "sonde"
    assert resource["service.instance.id"]
    (sent,) = of_kind(trace.spans, "CLIENT")
    assert sent["resource"]["service.name"] != till.service


def test_threads_of_a_real_sdk(tmp_path, collector, till):
    """Many threads, one after the other: each request has one of its own."""
    ask(till)
    with Profile(tmp_path, "-p", till.pid, "--freq", "199", "--export", collector.url) as running:
        ids = [ask(till) for _ in range(25)]
        running.stop()
    samples = sorted(wait_for(lambda: collector.samples(till.pid), "the profile to arrive"),
                     key=lambda sample: sample["time"])
    truth = {"outer": {(trace, outer) for trace, outer, _ in ids},
             "inner": {(trace, inner) for trace, _, inner in ids}}
    found, linked = False, collections.Counter()
    for sample in samples:
        place = ({"outer", "inner", "without"} & names(sample) or {None}).pop()
        found |= sample["spanId"] != ""
        if place == "without":
            assert not sample["spanId"]
        elif place and found:
            assert (sample["traceId"], sample["spanId"]) in truth[place], (place, sample["spanId"])
            linked[place] += 1
    assert min(linked["outer"], linked["inner"]) > 50, linked
    assert {s["resource"]["service.name"] for s in samples} == {till.service}

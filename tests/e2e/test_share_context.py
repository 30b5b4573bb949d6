# SPDX-License-Identifier: Apache-2.0
"""A tracer tells others in a pinned map which span a thread works for: a second sonde, which traces nothing itself, links its
samples by what it finds there at each of them. The function in a stack says which request it is of."""
import collections
import json
import os
import random
import signal
import socket
import subprocess
import threading

import pytest

import clients
from checks import of_kind
from clients import step
from servers import WORKLOADS
from test_profile import FRAME_POINTERS, Routes
from test_sdk_context import names, pins  # noqa: F401 (a fixture)
from traced import Profile, Trace, wait_for

BURN_MS = 250
OVER_NS = 400_000_000  # after a request's end; its span is made at the next drain


@pytest.fixture(scope="module")
def slow_routes(tmp_path_factory):
    program = tmp_path_factory.mktemp("build") / "slow_routes"
    subprocess.run(["gcc", *FRAME_POINTERS, f"-DBURN_NS={BURN_MS}000000", "-o", program,
                    WORKLOADS / "routes.c"], check=True)
    return program


@pytest.fixture
def shared(pins):
    return pins / "otel" / "traces_ctx_v1"


def entries(path):
    done = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", path], check=True,
                          capture_output=True)
    return len(json.loads(done.stdout))


def tracer_of(tmp_path, path, *args):
    return Trace(tmp_path, *args, env={"SONDE_PROPAGATION_CONTEXT_MAP": str(path)})


def ask(server, threads_cnt, cnt):
    """Requests of random routes, on a connection for each thread."""
    def one():
        clients.requests_client(server.url, [step(path=random.choice(["/red", "/green"]))
                                             for _ in range(cnt)])

    threads = [threading.Thread(target=one) for _ in range(threads_cnt)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def observe(tmp_path, path, server, collector, threads_cnt, cnt, *targets):
    """What the other one has sampled while requests were served, and the tracer."""
    with tracer_of(tmp_path, path, *targets) as tracer, \
            Profile(tmp_path, "-p", server.pid, "--freq", "199", "--export", collector.url,
                    env={"SONDE_PROFILES_CONTEXT_MAP": str(path)}) as profiler:
        ask(server, threads_cnt, cnt)
        wait_for(lambda: entries(path) == 0, "all to be over", timeout=1)
        tracer.stop()
        profiler.stop()
    samples = wait_for(lambda: collector.samples(server.pid), "the profile to arrive")
    return samples, tracer


def check(samples, tracer):
    """Returns how many samples of each function there are, and how many are linked."""
    spans = {s["spanId"]: s for s in of_kind(tracer.spans, "SERVER")}
    of, linked = collections.Counter(), collections.Counter()
    for sample in samples:
        place = ({"serve_red", "serve_green"} & names(sample) or {None}).pop()
        of[place] += 1
        if not sample["spanId"]:
            continue
        linked[place] += 1
        span = spans[sample["spanId"]]
        assert span["traceId"] == sample["traceId"]
        end = span["endTimeUnixNano"]
        assert span["startTimeUnixNano"] < sample["time"] < (end if place else end + OVER_NS)
        if place:
            assert span["attributes"]["url.path"] == "/" + place.removeprefix("serve_")
    return of, linked


@pytest.mark.parametrize("way", ["blocks", "poll"])
@pytest.mark.parametrize("both", [False, True], ids=["server", "both_ends"])
def test_thread_for_each_connection(tmp_path, shared, collector, slow_routes, way, both):
    """All but the first requests, before it is known that such a thread answers itself, and the beginning of each."""
    with Routes(slow_routes, tmp_path, way) as server:
        targets = ("--port", server.port) if both else ("-p", server.pid)
        samples, tracer = observe(tmp_path, shared, server, collector, 3, 5, *targets)
    of, linked = check(samples, tracer)
    assert tracer.account.spans == (30 if both else 15)
    assert 9 <= tracer.account["contexts_shared"] <= 14  # who polls is known once it was seen to wait
    assert sum(linked.values()) > 0.6 * sum(of.values()), (linked, of)
    assert linked[None] <= 0.02 * sum(linked.values()), linked


@pytest.mark.parametrize("threads_cnt", [1, 3])
def test_pool(tmp_path, shared, collector, slow_routes, threads_cnt):
    """One thread receives and others serve, while that one burns as much for nobody."""
    with Routes(slow_routes, tmp_path, "pool") as server:
        samples, tracer = observe(tmp_path, shared, server, collector, threads_cnt, 5, "-p",
                                  server.pid)
    of, linked = check(samples, tracer)
    assert of["serve_red"] + of["serve_green"] > 100 and not linked, (of, linked)
    assert "contexts_shared" not in tracer.account


@pytest.mark.parametrize("who", ["tracer", "server"])
def test_nothing_is_left(tmp_path, shared, slow_routes, who):
    """Of a request that is under way when the tracer ends, or its server is killed."""
    with Routes(slow_routes, tmp_path, "blocks") as server, \
            tracer_of(tmp_path, shared, "-p", server.pid) as tracer:
        ask(server, 1, 1)
        url = server.url.removeprefix("http://").split(":")
        with socket.create_connection((url[0], int(url[1]))) as client:
            client.sendall(b"GET /red HTTP/1.1\r\nHost: a\r\n\r\n" )
            wait_for(lambda: entries(shared) == 1, "it to be told")
            if who == "tracer":
                tracer.stop()
            else:
                os.kill(server.pid, signal.SIGKILL)
            wait_for(lambda: entries(shared) == 0, "it to be over", timeout=0.15)


def test_short_requests(tmp_path, shared, nginx):
    """They are over before they could be told; an event loop's are never."""
    with tracer_of(tmp_path, shared, "-p", nginx.pid) as tracer:
        clients.requests_client(nginx.url, [step(path="/small")] * 200)
        tracer.stop()
    assert "contexts_shared" not in tracer.account and entries(shared) == 0

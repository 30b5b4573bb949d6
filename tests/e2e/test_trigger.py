# SPDX-License-Identifier: Apache-2.0
"""Triggers: a route that becomes slow has its service sampled faster for a while, and its traces kept."""
import collections
import http.client
import math
import signal
import subprocess
import threading
import time

import pytest

import profcheck
from checks import of_kind
from servers import WORKLOADS, Server
from test_profile import FRAME_POINTERS
from traced import Agent, wait_for

pytestmark = pytest.mark.alone

HZ, FAST_HZ = 49, 499
S = 1_000_000_000
DURATION_S, WARM_UP_S = 2, 4
TRIGGERS = {"enabled": True, "floor": "25ms", "warm_up": f"{WARM_UP_S}s", "frequency": FAST_HZ,
            "duration": f"{DURATION_S}s", "cool_down": "1s", "time_share": 1}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    built = tmp_path_factory.mktemp("build") / "routes"
    subprocess.run(["gcc", *FRAME_POINTERS, "-DBURN_NS=2000000", "-o", built,
                    WORKLOADS / "routes.c"], check=True)
    return built


class Named(Server):
    """A server of that service."""

    def __init__(self, program, tmp_path, name):
        self.command = [str(program)]
        super().__init__(tmp_path, env={"OTEL_SERVICE_NAME": name})

    def cpu_ns(self):
        """The CPU time of the process so far: the clock of that kind, as clock_getcpuclockid() has it."""
        return time.clock_gettime_ns(~self.pid << 3 | 2)


class Client(threading.Thread):
    """Asks for one path, over and over on one connection; .done has when each request began and ended."""

    def __init__(self, server, path):
        super().__init__()
        self.server, self.path, self.done, self.enough = server, path, [], False
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        while not self.enough:
            begin = time.time_ns()
            connection.request("GET", self.path)
            connection.getresponse().read()
            self.done.append((begin, time.time_ns()))
            time.sleep(0.005)
        connection.close()

    def end(self):
        self.enough = True
        self.join()


def triggered(agent):
    """How many times so far, and why not."""
    return {name.removeprefix("sonde_"): n for name, n in agent.metrics().items()
            if name.startswith("sonde_triggers") and n}


def wait_arrived(collector, pid):
    """All samples, once no more come."""
    counts = [0, -1]

    def settled():
        time.sleep(0.3)
        counts.append(len(collector.samples(pid)))
        return counts[-1] and counts[-1] == counts[-2]
    wait_for(settled, "the profiles to arrive")
    return collector.samples(pid)


def test_burst(tmp_path, collector, program, start):
    slow, twin, other = [start(Named(program, tmp_path, name))
                         for name in ("slowing", "slowing", "other")]
    agent = start(Agent(tmp_path, {
        "targets": {"pids": [slow.pid, twin.pid, other.pid]},
        "export": {"endpoint": collector.url},
        "profiles": {"enabled": True, "frequency": HZ, "interval": "1s"},
        "sampling": {"probability": 0.01}, "triggers": TRIGGERS}))
    cpu_ns = -slow.cpu_ns()
    asking = [Client(slow, "/green"), Client(twin, "/red"), Client(other, "/green")]
    wait_for(lambda: min(len(client.done) for client in asking) > 120, "enough requests", 20)
    time.sleep(WARM_UP_S + 0.2)  # until these are what is usual
    assert not triggered(agent), agent.log
    slow.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: triggered(agent), "the trigger to fire")
    wait_for(lambda: "ended after" in agent.log, "the burst to end")
    time.sleep(1.5)  # it stays slow
    assert triggered(agent) == {"triggers_total": 1}, agent.log
    for client in asking:
        client.end()
    cpu_ns += slow.cpu_ns()
    agent.stop()
    assert "trigger: GET /green of slowing:" in agent.log

    samples = wait_arrived(collector, slow.pid)
    for request in collector.profiles():
        assert not profcheck.violations(request)
    check_profile(samples)
    check_twin(collector.samples(twin.pid), samples)
    check_sums(samples, cpu_ns)
    assert {s["period"] for s in collector.samples(other.pid)} == {S // HZ}
    check_spans(collector, samples, asking[0].done, slow.port)
    assert not any("sonde.trigger.type" in span["attributes"]
                   for span in collector.spans(other.port))


def check_profile(samples):
    """The burst is one profile, with its own period, and while it lasted there is no other sample."""
    fast = [s for s in samples if s["profileId"]]
    (profile_id,) = {s["profileId"] for s in fast}
    assert len(profile_id) == 32
    assert {s["period"] for s in fast} == {S // FAST_HZ}
    assert {s["period"] for s in samples if not s["profileId"]} == {S // HZ}
    assert fast[0]["profile"] == {
        "sonde.trigger.type": "latency", "sonde.trigger.service": "slowing",
        "sonde.trigger.route": "GET /green"}
    first, last = min(s["time"] for s in fast), max(s["time"] for s in fast)
    assert 0.9 * DURATION_S * S < last - first < (DURATION_S + 0.5) * S
    usual = [s["time"] for s in samples if not s["profileId"]]
    assert not [t for t in usual if first <= t <= last]
    assert min(usual) < first and max(usual) > last  # before it, and after it again
    stacks = [{f["name"] for f in s["stack"]} for s in fast]
    assert sum("burn_more" in stack for stack in stacks) > 0.8 * len(fast)


def check_twin(samples, of_slow):
    """Another process of the service: part of the burst once it was met, a profile by another name."""
    fast = [s["time"] for s in samples if s["profileId"]]
    assert len({s["profileId"] for s in samples}) == 2
    assert not {s["profileId"] for s in samples} & {s["profileId"] for s in of_slow} - {""}
    assert not [s for s in samples if not s["profileId"] and min(fast) <= s["time"] <= max(fast)]


def check_sums(samples, cpu_ns):
    """Each sample stands for its period: together they are the CPU time of the process."""
    told = sum(s["period"] for s in samples)
    sigma = math.sqrt(sum(s["period"] ** 2 for s in samples))
    print(f"{told / S:.3f} s told of {cpu_ns / S:.3f} s, sigma {sigma / S:.3f} s")
    assert abs(told - cpu_ns) < 4 * sigma + 0.02 * cpu_ns


def check_spans(collector, samples, asked, port):
    """Every request of the route in the burst is there, and names the profile of its samples."""
    spans = [s for s in of_kind(collector.spans(port), "SERVER")
             if "sonde.trigger.type" in s["attributes"]]
    assert {s["name"] for s in spans} == {"GET /green"}
    assert {s["traceState"] for s in spans} == {"ot=th:0"}
    first = min(s["startTimeUnixNano"] for s in spans)
    last = max(s["endTimeUnixNano"] for s in spans)
    truth = [begin for begin, end in asked if end > first and begin < last]
    assert len(spans) == len(truth) > 3, (len(spans), len(truth))
    assert last - first > 0.6 * DURATION_S * S
    ids = {s["profileId"] for s in samples if s["profileId"]}
    named = [s for s in spans if "sonde.profile.id" in s["attributes"]]
    # The one that triggered and, before the profile has its first sample, the next.
    assert len(named) >= 0.8 * len(spans) - 2
    assert spans.index(named[0]) == len(spans) - len(named)
    assert {s["attributes"]["sonde.profile.id"] for s in named} == ids
    linked = collections.Counter(s["spanId"] for s in samples if s["profileId"] and s["spanId"])
    assert sum(linked[s["spanId"]] > 0 for s in named) >= 0.8 * len(named)
    assert sum(linked.values()) > 0.8 * sum(bool(s["profileId"]) for s in samples)

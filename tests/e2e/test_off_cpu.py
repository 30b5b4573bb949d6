# SPDX-License-Identifier: Apache-2.0
"""Where threads wait, and what for, compared with what they know of that themselves."""
import collections
import contextlib
import math
import re
import subprocess
import time

import pytest

import clients
import profcheck
from clients import step
from servers import WORKLOADS
from traced import Account, Agent, Profile, Summary, run, wait_for

PLACES = ["wait_lock", "wait_sleep", "wait_pipe", "wait_socket"]
REASONS = {"wait_lock": "[lock]", "wait_sleep": "[sleep]", "wait_pipe": "[other wait]",
           "wait_socket": "[network]"}


@pytest.fixture(scope="module")
def waits(tmp_path_factory):
    program = tmp_path_factory.mktemp("build") / "waits"
    subprocess.run(["gcc", "-O2", "-fomit-frame-pointer", "-pthread", "-o", program,
                    WORKLOADS / "waits.c"], check=True)
    return program


def read_folded(path):
    """By stack, from the root to what it waits for: ns."""
    lines = (line.rsplit(" ", 1) for line in path.read_text().splitlines())
    return {tuple(stack.split(";")): int(ns) for stack, ns in lines}


def time_in(stacks, *names):
    return sum(ns for stack, ns in stacks.items() if set(names) <= set(stack))


def assert_whole(account):
    """99 of 100 stacks, or all but one."""
    stacks = account["samples"] - account.get("stacks_cut.ran_meanwhile", 0)
    assert account["stacks_whole"] >= min(0.99 * stacks, stacks - 1), account
    assert account.get("stacks_cut.ran_meanwhile", 0) <= 0.05 * account["samples"] + 1, account


def test_waits(waits, tmp_path):
    """A program that says how long each thread waited where."""
    out = tmp_path / "out.folded"
    done = run("profile", "--off-cpu", "--json", "--freq", 499, "-o", out, "--", waits, 4)
    assert done.returncode == 0, done.stderr
    *printed, summary = done.stdout.splitlines()
    found, account, stacks = Summary(summary), Account.read(done.stderr), read_folded(out)
    truth = dict(zip(PLACES, map(int, printed[0].split())))
    threads = {name: (int(lived), int(ran)) for name, lived, ran in map(str.split, printed[1:])}
    looks = account["off_cpu_looks"] * threads["mixed"][0] / found["durationNanos"]
    assert looks > 50, account

    def assert_time(ns, true_ns, lived, what, slack=0.0):
        """Within what chance allows. At the end what was not told any more is missing."""
        share = min(max(true_ns / lived, 1 / looks), 1 - 1 / looks)
        sigma = lived * math.sqrt(1.2 * share * (1 - share) / looks)
        most = 4 * sigma + 0.015 * lived + slack
        assert abs(ns - true_ns) < most, f"{what}: {ns / 1e6:.0f} ms, truly {true_ns / 1e6:.0f}"

    for place, ns in truth.items():
        assert_time(time_in(stacks, place), ns, threads["mixed"][0], place)
        reasons = collections.Counter()
        for stack, spent in stacks.items():
            if place in stack:
                reasons[stack[-1]] += spent
        reasons.pop("[run queue]", None)
        assert set(reasons) == {REASONS[place]}, (place, reasons)
    # On the CPUs and off them: that is all of a thread's life. On a busy machine sonde waits for a CPU too, and
    # then its looks depend on who else does.
    queued = threads["burner"][0] - threads["burner"][1]
    for name, (lived, ran) in threads.items():
        assert_time(time_in(stacks, f"run_{name}"), lived - ran, lived, name, slack=0.7 * queued)
    # Who burns has only the others to wait for.
    assert {stack[-1] for stack in stacks if "burn" in stack} <= {"[run queue]"}, stacks
    # One long wait.
    assert 0.9 * threads["feeder"][0] < time_in(stacks, "main") < 1.05 * found["durationNanos"]
    assert_whole(account)
    assert account.samples_lost == 0, account
    for stack in stacks:
        if set(PLACES) & set(stack):
            assert re.match(r"waits;\w*clone\w*;(\w+;)?start_thread;begin;run_mixed;wait_",
                            ";".join(stack)), stack


def test_agent(waits, tmp_path, collector):
    """The daemon exports profiles of both kinds in each interval. A wait that lasts longer is in each with its part."""
    config = {"profiles": {"enabled": True, "frequency": 49, "off_cpu_frequency": 199, "interval": "1s"},
              "export": {"endpoint": collector.url}}
    with Agent(tmp_path, config) as agent:
        with subprocess.Popen([waits, "6"], stdout=subprocess.PIPE, text=True) as process:
            printed = process.stdout.read().splitlines()
        agent.stop()
    samples = wait_for(lambda: collector.samples(process.pid), "profiles to arrive")
    assert not any(profcheck.violations(profile) for profile in collector.profiles())
    truth = dict(zip(PLACES, map(int, printed[0].split())))
    threads = {name: (int(lived), int(ran)) for name, lived, ran in map(str.split, printed[1:])}
    spent, reasons, burnt, main = collections.Counter(), collections.defaultdict(set), 0, collections.Counter()
    for sample in samples:
        names = [frame["name"] for frame in sample["stack"]]
        if sample["of"] != "off_cpu":
            assert sample["value"] is None and sample["period"]
            burnt += "burn" in names
            continue
        place = (set(PLACES) & set(names) or {None}).pop()
        spent[place] += sample["value"]
        reasons[place].add(names[0])
        if "main" in names:
            main[sample["time"] // 10**9] += sample["value"]
    # Within what chance allows, and of its last second and a half something may be missing, on a busy machine of more.
    for place, ns in truth.items():
        assert 0.45 * ns < spent[place] < 1.4 * ns + 1e8, (place, ns, spent)
        assert reasons[place] <= {REASONS[place], "[run queue]", "[ran meanwhile]"}, reasons
    # One long wait, for the other threads.
    assert 0.8 * threads["mixed"][0] < sum(main.values()) < 1.05 * threads["mixed"][0], main
    assert len(main) >= 5 and all(ns < 2.6e9 for ns in main.values()), main
    assert burnt > 20


@contextlib.contextmanager
def python(program):
    with subprocess.Popen(["/usr/bin/python3", "-c", program], stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


POOL = """
import queue, threading, time, socket
tasks, pair = queue.SimpleQueue(), socket.socketpair()
def nap_time():
    while True: time.sleep(0.01)
for target in [tasks.get] * 20 + [nap_time] + [lambda: pair[0].recv(1)]:
    threading.Thread(target=target, daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_idle_pool(tmp_path):
    """Threads that wait for work, and have not run since: they are counted, and hardly cost anything."""
    out = tmp_path / "out.folded"
    with python(POOL) as process:
        assert process.stdout.readline() == b"ready\n"
        with Profile(tmp_path, "--off-cpu", "-p", process.pid, "-o", out) as running:
            time.sleep(2)
            running.stop()
    stacks, account = read_folded(out), running.account
    seconds = running.summary["durationNanos"] / 1e9
    idle = {stack: ns / 1e9 for stack, ns in stacks.items() if stack[-1] == "[lock]"}
    assert 20 * 1.5 < sum(idle.values()) < 20 * seconds * 1.02, (idle, seconds)
    assert all("start_thread" in stack and any("futex" in frame or "sem_" in frame for frame in stack)
               for stack in idle), idle
    received = {stack: ns / 1e9 for stack, ns in stacks.items() if stack[-1] == "[network]"}
    assert 1.5 < sum(received.values()) < seconds * 1.02 and all("recv" in s for s in received)
    napping = [stack for stack in stacks if stack[-1] == "[sleep]"]
    assert napping and all("clock_nanosleep" in stack or "[ran meanwhile]" in stack for stack in napping)
    assert_whole(account)
    # A thread that has not run is walked once, and told of the less often the longer it waits.
    looks = account["off_cpu_looks"]
    assert account["off_cpu_threads"] >= 23 * looks and account["samples"] < 23 + 2 * looks + 5, account


@pytest.mark.alone
def test_nginx(tmp_path, nginx):
    with Profile(tmp_path, "--off-cpu", "-n", "nginx") as running:
        clients.requests_client(nginx.url, [step()] * 50)
        time.sleep(1)
        running.stop()
    found = running.summary
    assert {p["name"] for p in found["processes"]} == {"nginx"}
    assert found.total_of["epoll_wait"] > 0.4 * found["offCpuNanos"], found.total_of
    assert found.total_of["ngx_master_process_cycle"] >= 0.98 * found["offCpuNanos"], found.total_of
    assert_whole(running.account)


SLEEPER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def test_linked_to_spans(tmp_path, collector):
    """What a request waits for belongs to its span; what its thread waits for after it does not."""
    with python(SLEEPER) as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        with Profile(tmp_path, "--off-cpu", "-p", process.pid, "--spans", "--freq", "199",
                     "--export", collector.url) as running:
            clients.requests_client(url, [step()] * 15)
            running.stop()
        samples = wait_for(lambda: collector.samples(process.pid), "the profile to arrive")
        spans = {s["spanId"]: s for s in collector.wait_spans(running.account.spans)}
    request = collector.profiles()[-1]
    assert not profcheck.violations(request)
    strings = request.dictionary.string_table
    profiles = [p for r in request.resource_profiles for s in r.scope_profiles for p in s.profiles]
    for profile in profiles:
        assert [strings[profile.sample_type.type_strindex],
                strings[profile.sample_type.unit_strindex]] == ["off_cpu", "nanoseconds"]
        assert not profile.period and not profile.period_type.type_strindex
        assert all(len(s.values) == len(s.timestamps_unix_nano) for s in profile.samples)
    assert sum(v for p in profiles for s in p.samples for v in s.values) == running.summary["offCpuNanos"]
    asleep = [s for s in samples if s["stack"][0]["name"] == "[sleep]"]
    assert len(asleep) >= 15
    linked = [s for s in samples if s["spanId"]]
    assert sum(s["spanId"] != "" for s in asleep) >= 0.95 * len(asleep), asleep[:3]
    for sample in linked:
        span = spans[sample["spanId"]]
        assert span["kind"] == "SERVER"
        assert span["startTimeUnixNano"] <= sample["time"] <= span["endTimeUnixNano"]

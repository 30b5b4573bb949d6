# SPDX-License-Identifier: Apache-2.0
"""What slow requests do: a server of which 7 % of requests do one thing more, which takes 60 ms."""
import contextlib
import http.client
import json
import pathlib
import signal
import statistics
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from traced import Trace, run

SOMETIMES = pathlib.Path(__file__).parent / "workloads" / "sometimes.py"
MS = 1_000_000
EXTRA = 60 * MS
CALLS = 10
WAYS = ["lock", "cpu", "calls"]


class Explain(Trace):
    name = "explain"


@contextlib.contextmanager
def explaining(tmp_path, *args):
    """`sonde explain ARGS` of the server, from its start on, and a connection to that."""
    with subprocess.Popen([sys.executable, SOMETIMES], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as server:
        port = int(server.stdout.readline().split()[0])
        with Explain(tmp_path, "-p", server.pid, *args) as live:
            yield live, http.client.HTTPConnection("127.0.0.1", port)
        server.stdin.close()


def ask(connection, path):
    """How long its server burned CPU time on purpose, by a clock on the wall."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return int(answer.headers["x-burned-ns"])


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """What `sonde explain` says live of /lock, a recording of all requests, and how long the slow ones of
    /cpu burned: what the host takes of that passes for CPU time where no clock counts it."""
    burned = []
    tmp_path = tmp_path_factory.mktemp("explain")
    recording = tmp_path / "all.ring"
    with explaining(tmp_path, "--freq", "499", "--route", "GET /lock", "--record",
                    recording) as (live, connection):
        for number in range(200):
            for way in WAYS:
                slow = number % 14 == 7
                ns = ask(connection, f"/{way}?slow" if slow else f"/{way}")
                burned += [ns] * (slow and way == "cpu")
        live.stop()
    assert live.account.lost == 0
    return json.loads(live.stdout), recording, burned


def parts_of(result, kind, depth=1):
    return [p for p in result["parts"] if p["kind"] == kind and p["depth"] == depth]


def extra(result, kind, depth=1):
    return sum(p["extraNano"] for p in parts_of(result, kind, depth))


def check(result, way):
    assert result["status"] == "found" and result["route"] == f"GET /{way}"
    assert result["requests"] == 200 and result["percentile"] == 95
    assert result["slowRequests"] == 11 and result["typicalRequests"] == 40
    assert result["undecidedCalls"] == 0
    request, *parts = result["parts"]
    direct = [p for p in parts if p["depth"] == 1]
    assert abs(sum(p["extraNano"] for p in direct) - request["extraNano"]) <= len(direct)
    assert abs(sum(p["share"] for p in direct) - 1) < 0.001 * len(direct)
    assert not [p for p in direct if p["kind"].startswith("not_explained")
                and abs(p["extraNano"]) > EXTRA / 20]
    # What else there is on a busy machine is to wait for a CPU.
    waits = extra(result, "run_queue") + extra(result, "call") + extra(result, "queued")
    return request["extraNano"], waits


def test_lock(explained):
    """The thread that has it may be late to let it go; the interpreter's own lock makes the others wait, too."""
    live, recording, _ = explained
    check(live, "lock")
    assert 0.75 * EXTRA < extra(live, "lock") < 1.5 * EXTRA
    assert abs(extra(live, "cpu")) < EXTRA / 5
    assert live["slowSamples"] + live["typicalSamples"] > 10
    done = run("explain", "--json", "--route", "/lock", "--replay", recording)
    again = json.loads(done.stdout)
    assert done.returncode == 0 and again["parts"] == live["parts"]


def test_cpu(explained):
    result = json.loads(run("explain", "--json", "--replay", explained[1], "--route", "/cpu").stdout)
    all_ns, waits = check(result, "cpu")
    slowest = sorted(explained[2])[-result["slowRequests"]:]
    most = 1.1 * statistics.mean(slowest)
    assert 0.95 * EXTRA < extra(result, "cpu") < most, most
    assert extra(result, "cpu") + waits > 0.9 * all_ns


def test_picture(tmp_path):
    """Of /cpu slow requests burn far longer: its share is larger, by colour and by numbers."""
    file = tmp_path / "diff.svg"
    with explaining(tmp_path, "--freq", "4999", "--route", "GET /cpu", "-o", file) as (live, connection):
        for _ in range(100):  # until the interpreter is known
            ask(connection, "/lock")
        for number in range(80):
            ask(connection, "/cpu?slow" if number % 14 == 7 else "/cpu")
        live.stop()
    result = json.loads(live.stdout)
    svg = "{http://www.w3.org/2000/svg}"
    frames = ElementTree.parse(file).getroot().find(f"{svg}g[@id='frames']")
    assert frames.get("data-sides") == "slow typical"
    samples = [result["slowSamples"], result["typicalSamples"]]
    counts = [[int(g.get("data-n")), int(g.get("data-n2"))] for g in frames]
    assert counts[0] == samples and min(samples) >= 10
    named = {g.find(f"{svg}title").text.split("\n")[0]: (count, g.find(f"{svg}rect").get("class"))
             for g, count in zip(frames, counts)}
    (slow, typical), shade = named["sometimes.py:burn"]
    # What was sampled while the interpreter was still being read has no names of Python's.
    known = named["server.py:BaseHTTPRequestHandler.handle_one_request"][0]
    assert known[0] > 0.5 * samples[0] and known[1] > 0, (known, samples)
    assert slow / known[0] > 0.9 > typical / known[1]
    assert shade[0] == "m" and named["all"][1] == "d0"


def test_too_few_samples(tmp_path):
    file = tmp_path / "diff.html"
    with explaining(tmp_path, "--freq", "1", "--route", "GET /lock", "-o", file) as (live, connection):
        for _ in range(30):
            ask(connection, "/lock")
        live.process.send_signal(signal.SIGINT)
        assert live.process.wait(timeout=20) == 1
    assert f"{file} shows nothing: slow requests have " in live.stderr
    assert "Too few samples to tell: slow " in file.read_text()


def test_calls(explained):
    result = json.loads(run("explain", "--json", "--replay", explained[1], "--route", "/calls").stdout)
    all_ns, _ = check(result, "calls")
    call = parts_of(result, "call")[0]
    assert call["name"] == "GET /item" and call["extraNano"] > 0.75 * all_ns
    assert call["slowCalls"] == 11 * (1 + CALLS) and call["typicalCalls"] == 40
    assert 0.95 * EXTRA < extra(result, "sleep", depth=2) < 1.2 * EXTRA


def test_words(explained):
    done = run("explain", "--replay", explained[1], "--route", "/calls")
    assert "p95 of GET /calls (sometimes) is" in done.stdout
    assert "is calls of sometimes GET /item: 11 a request of" in done.stdout
    assert "there it is sleeping" in done.stdout


def test_too_few(explained):
    done = run("explain", "--replay", explained[1], "--route", "/nowhere")
    assert done.returncode == 1 and "no request that fits --service and --route" in done.stderr

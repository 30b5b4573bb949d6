# SPDX-License-Identifier: Apache-2.0
"""Clients that report the truth: for each HTTP request what was sent, what came and when; of others
how many there were."""
import contextlib
import json
import re
import socket
import subprocess
import sys
import time

from servers import WORKLOADS, go_program
from traced import environment


def step(method="GET", path="/small", body=0, **headers):
    return {"method": method, "path": path, "body": body,
            "headers": {name.replace("_", "-"): value for name, value in headers.items()}}


def run_plan(command, base, plan, env=None):
    done = subprocess.run([*command, base, json.dumps(plan)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, env=environment(**(env or {})))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def requests_client(base, plan):
    return run_plan([sys.executable, str(WORKLOADS / "http_client.py")], base, plan)


def node_client(base, plan):
    return run_plan(["node", str(WORKLOADS / "http_client.js")], base, plan)


def go_client(base, plan):
    return run_plan([go_program("client")], base, plan)


def curl_client(base, plan, *options):
    """All steps in one curl, which keeps its connection. It tells durations but not when, so its
    times are those of the whole process."""
    command = ["curl"]
    for number, s in enumerate(plan):
        command += (["--next"] if number else []) + ["-sS", "-o", "/dev/null", *options,
                                                     "-X", s["method"],
                                                     "-w", "%{http_code} %{size_download}\\n"]
        if s["body"]:
            command += ["--data-binary", "b" * s["body"]]
        for name, value in s["headers"].items():
            command += ["-H", f"{name}: {value}"]
        command.append(base + s["path"])
    start = time.time_ns()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=environment())
    end = time.time_ns()
    assert done.returncode == 0, done.stderr
    answers = [line.split() for line in done.stdout.splitlines()]
    assert len(answers) == len(plan)
    return [{"method": s["method"], "path": s["path"], "status": int(status), "start_ns": start,
             "end_ns": end, "request_bytes": s["body"], "response_bytes": int(size),
             "times_fine": False} for s, (status, size) in zip(plan, answers)]


def raw_client(port, *steps, host="127.0.0.1", env=None, **more):
    """Starts workloads/raw_client.py on these steps; returns the process."""
    return subprocess.Popen([sys.executable, str(WORKLOADS / "raw_client.py"), host, str(port),
                             json.dumps(steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, env=environment(**(env or {})), **more)


def raw(port, *steps, **more):
    """Runs these steps to their end; returns all text that was received."""
    process = raw_client(port, *steps, **more)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def wrk(url, connections=32, seconds=2.0, threads=2, script=None, env=None):
    """Full speed. Returns how many responses wrk counted."""
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds:g}s"]
    if script:
        command += ["-s", str(script)]
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 30,
                          stdin=subprocess.DEVNULL, env=environment(**(env or {})))
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"(\d+) requests in", done.stdout)[1])


def paced(address, paths, connections, rate, seconds):
    """A fixed rate of requests; returns {requests, errors, seconds, late, counts}, the last by "PATH
    STATUS", late by how many seconds the latest request was. More than one path: "PATH:COUNT,..."."""
    done = subprocess.run([go_program("paced"), address, paths, str(connections), str(rate),
                           str(seconds)], capture_output=True, text=True, timeout=seconds + 30,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def open_connections(port, count):
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                  for _ in range(count)]
        for connection in opened:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield opened


def exchange(connection, said, length):
    """Sends that and reads as many bytes."""
    connection.sendall(said)
    while length:
        assert (piece := connection.recv(length)), "the server has hung up"
        length -= len(piece)


def start_h2load(url, requests, connections, streams, rate=0, seconds=0):
    """Requests over HTTP/2 by prior knowledge, so many streams at once in each connection; rate is
    per second and connection, 0: full speed. As many as are told, or for some seconds. Returns the
    process."""
    command = ["h2load", *(["-D", f"{seconds:g}"] if seconds else ["-n", str(requests)]),
               "-c", str(connections), "-m", str(streams),
               *(["--rps", str(rate)] if rate else []), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL)


def end_h2load(process):
    """Returns how many h2load counted as answered."""
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    return int(re.search(r"(\d+) succeeded", out)[1])


def h2load(*args, **more):
    return end_h2load(start_h2load(*args, **more))


GRPC = {"go": lambda: [go_program("grpc")],
        "python": lambda: [sys.executable, str(WORKLOADS / "grpc_peer.py")]}


def grpc_client(language, port, plan, gate=False, env=None):
    """Starts a client on a plan of calls; with a gate, all but the first wait for a line."""
    return subprocess.Popen([*GRPC[language](), "client", f"127.0.0.1:{port}", json.dumps(plan),
                             *(["gate"] if gate else [])], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True, env=environment(**(env or {})))


def grpc_calls(language, port, plan, env=None):
    """Makes these calls; for each {method, status} as the client knows it."""
    process = grpc_client(language, port, plan, env=env)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


ALL = {"curl": curl_client, "requests": requests_client, "go": go_client, "node": node_client}

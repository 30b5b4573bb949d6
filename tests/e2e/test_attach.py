# SPDX-License-Identifier: Apache-2.0
"""Whom sonde follows: commands, running programs, filters, namespaces, reused pids; not itself."""
import contextlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

import clients
import servers
from checks import check_inside, check_socket_parents, check_span, of_kind
from clients import raw_client, step
from net import Namespaces
from traced import Agent, SONDE, Trace, environment, read_spans, Account

CURL = ["curl", "-sS", "-o", "/dev/null"]


def trace_command(*args, **more):
    """Runs `sonde trace --json ARGS` to its end."""
    done = subprocess.run([SONDE, "trace", "--json", *map(str, args)], capture_output=True,
                          text=True, timeout=30, stdin=subprocess.DEVNULL, env=environment(),
                          **more)
    return done, read_spans(done.stdout)


def test_command_is_followed(python_server):
    """From its first byte, and sonde ends with its status. The command's own output is not mixed
    into the spans."""
    url = python_server.url
    done, spans = trace_command("--", *CURL, url + "/items/3", "-o", "/dev/null", url + "/small")
    assert done.returncode == 0, done.stderr
    sent = of_kind(spans, "CLIENT")
    assert [s["attributes"]["url.full"] for s in sent] == [url + "/items/3", url + "/small"]
    assert {s["resource"]["service.name"] for s in sent} == {"curl"}
    assert Account.read(done.stderr).lost == 0


@pytest.mark.parametrize("command, status", [
    (["sh", "-c", "exit 7"], 7), (["true"], 0), (["false"], 1),
    (["sh", "-c", "kill -TERM $$"], 128 + 15), (["/no/such/program"], 127),
])
def test_command_status(command, status):
    done, _ = trace_command("--", *command)
    assert done.returncode == status, done.stderr
    if status == 127:
        assert "/no/such/program" in done.stderr


def test_command_descendants(python_server):
    """What the command starts is followed too, and its grandchildren."""
    url = python_server.url
    script = f"curl -sS -o /dev/null {url}/items/1; sh -c 'curl -sS -o /dev/null {url}/items/2; :'"
    done, spans = trace_command("--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert len(of_kind(spans, "CLIENT")) == 2


def test_first_span_is_prompt(tracing, python_server):
    """Within half a second, and what the test itself takes to see it; one of three times, since a machine may pause."""
    took = []
    while not took or (min(took) >= 0.7 and len(took) < 3):
        trace = tracing("--port", python_server.port)
        clients.curl_client(python_server.url, [step()])
        begin = time.monotonic()
        trace.wait_spans(2)
        took.append(time.monotonic() - begin)
        trace.stop()
    assert min(took) < 0.7, took


def test_duration(python_server):
    begin = time.monotonic()
    done, _ = trace_command("--duration", "1s", "--port", python_server.port)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin > 0.9


@pytest.mark.parametrize("server_class", [servers.PythonServer, servers.Nginx, servers.GoServer])
def test_attach_in_mid_connection(tmp_path, start, server_class):
    """The first complete exchange after attaching is a span, at both ends, with its parent."""
    server = start(server_class(tmp_path))
    get = "GET /items/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = raw_client(
        server.port, *[s for n in range(3) for s in (["send", get % n], ["read", f"/items/{n}", 1])],
        ["say", "before"], ["wait"],
        *[s for n in range(10, 14) for s in (["send", get % n], ["read", f"/items/{n}", 1])])
    assert client.stdout.readline() == "before\n"
    with Trace(tmp_path, "--port", server.port) as trace:
        client.communicate("go\n", timeout=20)
        trace.stop()
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(trace.spans, kind)
        assert len(spans) == 4, (kind, trace.stderr, trace.spans)
        for number, span in enumerate(spans, 10):
            check_span(span, "GET", f"/items/{number}")
    check_inside(check_socket_parents(trace.spans))


def test_attach_in_mid_exchange(tmp_path, python_server):
    """Attached between request and response: no span is invented for it; the next one is whole."""
    get = "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = raw_client(python_server.port, ["send", "GET /items/1 HTTP/1.1\r\nHost: lo"],
                        ["say", "before"], ["wait"], ["send", "calhost\r\n\r\n"],
                        ["read", "/items/1", 1], ["send", get % "/items/2"],
                        ["read", "/items/2", 1])
    assert client.stdout.readline() == "before\n"
    with Trace(tmp_path, "--port", python_server.port) as trace:
        client.communicate("go\n", timeout=20)
        trace.stop()
    for kind in ("CLIENT", "SERVER"):
        whole = [s for s in of_kind(trace.spans, kind) if "/items/2" in str(s["attributes"])]
        assert len(whole) == 1, trace.spans
        check_span(whole[0], "GET", "/items/2")


def test_network_namespaces(tmp_path, start):
    """Client and server in network namespaces of their own, joined by a veth pair."""
    namespaces = start(Namespaces())
    server = start(servers.PythonServer(
        tmp_path, "--host", namespaces.server_address, host=namespaces.server_address,
        prefix=["ip", "netns", "exec", namespaces.server]))
    with Trace(tmp_path, "--port", server.port) as trace:
        subprocess.run(["ip", "netns", "exec", namespaces.client, *CURL, server.url + "/items/8"],
                       check=True, env=environment())
        trace.stop()
    ((sent, served),) = check_socket_parents(trace.spans)
    assert sent["attributes"]["server.address"] == namespaces.server_address
    assert served["attributes"]["client.address"] == namespaces.client_address
    check_inside([(sent, served)])


FORK_EXEC = """
import http.client, os, sys
def get(path):
    conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    conn.request("GET", path)
    conn.getresponse().read()
get("/items/1")
if os.fork() == 0:
    get("/items/2")
    os._exit(0)
os.wait()
os.execvp("curl", ["curl", "-sS", "-o", "/dev/null", f"http://127.0.0.1:{sys.argv[1]}/items/3"])
"""


def test_resource_across_fork_and_exec(tracing, python_server, tmp_path):
    script = tmp_path / "forker.py"
    script.write_text(FORK_EXEC)
    trace = tracing("--port", python_server.port)
    process = subprocess.Popen([sys.executable, script, str(python_server.port)],
                               env=environment(), stdin=subprocess.DEVNULL)
    assert process.wait(timeout=20) == 0
    trace.stop()
    by_path = {s["attributes"]["url.full"].rpartition("/")[2]: s["resource"]
               for s in of_kind(trace.spans, "CLIENT")}
    assert set(by_path) == {"1", "2", "3"}
    assert by_path["1"]["process.pid"] == by_path["3"]["process.pid"] == process.pid
    assert by_path["2"]["process.pid"] != process.pid
    assert [by_path[n]["service.name"] for n in "123"] == ["forker", "forker", "curl"]
    assert by_path["3"]["process.executable.name"] == "curl"


def test_resource_of_reused_pid(tracing, tmp_path, python_server):
    """Two programs that have one pid after the other."""
    last_pid = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    trace = tracing("--port", python_server.port)
    first = subprocess.Popen([*CURL, python_server.url + "/items/1"], env=environment())
    assert first.wait(timeout=10) == 0
    for _ in range(300):
        last_pid.write_text(str(first.pid - 1))
        second = subprocess.Popen(
            [sys.executable, "-S", "-c",
             "import sys, os\n"
             "if os.getpid() != int(sys.argv[1]): sys.exit(9)\n"
             "import http.client\n"
             "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[2]))\n"
             "c.request('GET', '/items/2'); c.getresponse().read()\n",
             str(first.pid), str(python_server.port)], env=environment())
        if second.wait(timeout=10) == 0:
            break
    else:
        pytest.fail("no process got the pid again in 300 tries")
    assert second.pid == first.pid
    trace.stop()
    one, two = of_kind(trace.spans, "CLIENT")
    assert one["resource"]["process.pid"] == two["resource"]["process.pid"] == first.pid
    assert one["resource"]["process.executable.name"] == "curl"
    assert two["resource"]["process.executable.name"].startswith("python")
    assert one["resource"]["service.instance.id"] != two["resource"]["service.instance.id"]


def test_service_name_from_the_environment(tracing, tmp_path, start):
    named = start(servers.PythonServer(tmp_path, env={
        "OTEL_SERVICE_NAME": "checkout", "OTEL_RESOURCE_ATTRIBUTES": "team=blue%20sky,tier=3"}))
    trace = tracing("--port", named.port)
    clients.curl_client(named.url, [step()])
    trace.stop()
    (served,) = of_kind(trace.spans, "SERVER")
    assert served["resource"]["service.name"] == "checkout"
    assert served["resource"]["team"] == "blue sky" and served["resource"]["tier"] == "3"


# --- filters ---

@pytest.fixture
def two_servers(tmp_path, start):
    return start(servers.PythonServer(tmp_path)), start(servers.NodeServer(tmp_path))


def who(spans):
    return {(s["kind"], s["resource"]["process.executable.name"]) for s in spans}


def ask_both(two, count=3):
    for server in two:
        clients.curl_client(server.url, [step()] * count)


def test_filter_by_pid(tracing, two_servers):
    trace = tracing("-p", two_servers[1].pid)
    ask_both(two_servers)
    trace.stop()
    assert who(trace.spans) == {("SERVER", "node")} and len(trace.spans) == 3


def test_filter_by_pid_with_descendants(tracing, two_servers):
    """A child that was there before, and those that come later."""
    shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, text=True, env=environment())
    trace = tracing("-p", shell.pid)
    shell.communicate("".join(
        f"curl -sS -o /dev/null {s.url}/small; (curl -sS -o /dev/null {s.url}/small; :)\n"
        for s in two_servers), timeout=20)
    ask_both(two_servers)
    trace.stop()
    assert who(trace.spans) == {("CLIENT", "curl")} and len(trace.spans) == 4


def test_filter_by_name(tracing, two_servers):
    trace = tracing("-n", "curl")
    ask_both(two_servers)
    clients.node_client(two_servers[0].url, [step()])
    trace.stop()
    ports = {s.port for s in two_servers}
    spans = [s for s in trace.spans if s["attributes"].get("server.port") in ports]
    assert who(spans) == {("CLIENT", "curl")} and len(spans) == 6


def test_filter_by_executable(tracing, two_servers):
    trace = tracing("--exe", os.path.realpath("/usr/bin/curl"))
    ask_both(two_servers)
    clients.node_client(two_servers[0].url, [step()])
    trace.stop()
    ports = {s.port for s in two_servers}
    spans = [s for s in trace.spans if s["attributes"].get("server.port") in ports]
    assert who(spans) == {("CLIENT", "curl")} and len(spans) == 6


def test_filter_by_port(tracing, two_servers):
    trace = tracing("--port", two_servers[0].port)
    ask_both(two_servers)
    trace.stop()
    assert {s["attributes"]["server.port"] for s in trace.spans} == {two_servers[0].port}
    assert len(trace.spans) == 6


def cgroup2_mount():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(where)
    return None


def test_filter_by_cgroup(tracing, two_servers):
    mount = cgroup2_mount()
    assert mount, "no cgroup v2 hierarchy is mounted"
    outer = mount / f"sonde-e2e-{os.getpid()}"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    try:
        trace = tracing("--cgroup", outer)
        for where in (outer, inner):
            move = f"echo $$ > {where}/cgroup.procs && exec "
            subprocess.run(["sh", "-c", move + f"curl -sS -o /dev/null {two_servers[0].url}/small"],
                           check=True, env=environment())
        ask_both(two_servers)
        trace.stop()
        assert who(trace.spans) == {("CLIENT", "curl")} and len(trace.spans) == 2
    finally:
        time.sleep(0.1)
        for directory in (inner, outer):
            with contextlib.suppress(OSError):
                directory.rmdir()


def test_targets_of_one_kind_add_up(tracing, two_servers):
    trace = tracing("-p", two_servers[0].pid, "-p", two_servers[1].pid)
    ask_both(two_servers)
    trace.stop()
    assert {k for k, _ in who(trace.spans)} == {"SERVER"} and len(trace.spans) == 6


def test_targets_of_two_kinds_must_both_fit(tracing, two_servers):
    trace = tracing("-n", "curl", "--port", two_servers[0].port)
    ask_both(two_servers)
    trace.stop()
    assert who(trace.spans) == {("CLIENT", "curl")} and len(trace.spans) == 3


@pytest.mark.alone
def test_own_export_is_not_traced(collector, tmp_path, python_server):
    """While everything on the host is traced, neither sonde's export nor its endpoint is."""
    before = len(collector.spans())
    config = {"export": {"endpoint": collector.url, "batch_delay": "100ms"}}
    with Agent(tmp_path, config) as agent:
        for _ in range(5):
            clients.curl_client(python_server.url, [step()] * 10)
            agent.metrics()
            time.sleep(0.3)
        agent.stop()
    spans = collector.wait_spans(before + 100)[before:]
    mine = [s for s in spans if s["attributes"].get("server.port") == python_server.port]
    assert len(mine) == 100, agent.log
    assert not [s for s in spans if "/v1/traces" in str(s["attributes"])]
    assert not [s for s in spans if s["resource"]["process.pid"] == agent.process.pid]
    assert not [s for s in spans if s["resource"].get("service.name") == "sonde"]

# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong is told in a clear sentence, or counted; nothing else is lost."""
import shutil
import subprocess
import time

import pytest

import clients
import servers
from checks import of_kind
from clients import raw, raw_client, step
from net import free_port
from traced import SONDE, Agent, environment, run


def assert_tells(done, *words, status=None):
    """Ended badly with a sentence that has these words, and no crash."""
    assert 0 < done.returncode < 126 if status is None else done.returncode == status, done
    for word in words:
        assert word.lower() in done.stderr.lower(), done.stderr
    assert len(done.stderr.strip().splitlines()) <= 12, done.stderr
    assert done.stdout == ""


@pytest.fixture
def nobody(tmp_path):
    """Runs sonde as a user without rights, from a place that this user may read."""
    directory = tmp_path / "bin"
    directory.mkdir()
    servers.open_up(directory)
    program = shutil.copy(SONDE, directory / "sonde")

    def run_it(*args):
        return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               program, *args], capture_output=True, text=True, timeout=20,
                              env=environment(), stdin=subprocess.DEVNULL, cwd="/")
    return run_it


@pytest.mark.parametrize("command", [["trace"], ["agent"], ["trace", "--", "true"]],
                         ids=" ".join)
def test_no_root(nobody, command):
    done = nobody(*command)
    assert_tells(done, "root")
    assert "libbpf" not in done.stderr


@pytest.mark.parametrize("command", [["version"], ["--help"], ["config", "print"]], ids=" ".join)
def test_no_root_is_needed(nobody, command):
    done = nobody(*command)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("args, words", [
    (["frobnicate"], ["frobnicate"]),
    (["tarce"], ["tarce", "trace"]),
    (["trace", "--prot", "80"], ["--prot", "--port"]),
    (["trace", "--port", "99999"], ["99999", "65535"]),
    (["trace", "--port", "http"], ["http"]),
    (["trace", "-p", "abc"], ["abc"]),
    (["trace", "-p"], ["pid"]),
    (["trace", "-p", "4194303"], ["4194303"]),
    (["trace", "--duration", "soon"], ["soon"]),
    (["trace", "--export", "localhost:4318"], ["localhost:4318", "http://"]),
    (["trace", "--otlp-file", "/no/such/place/spans.json"], ["/no/such/place/spans.json"]),
    (["trace", "--record", "/no/such/place/ring"], ["/no/such/place/ring"]),
    (["trace", "--exe", "/no/such/program"], ["/no/such/program"]),
    (["trace", "--cgroup", "/no/such/group"], ["/no/such/group"]),
    (["replay", "/no/such/ring"], ["/no/such/ring"]),
    (["replay", "/etc/passwd"], ["/etc/passwd"]),
    (["replay"], ["file"]),
    (["agent", "-c", "/no/such.yaml"], ["/no/such.yaml"]),
    (["config", "check", "/no/such.yaml"], ["/no/such.yaml"]),
    (["config"], ["config"]),
], ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_wrong_arguments(args, words):
    assert_tells(run(*args), *words)


@pytest.mark.parametrize("text, line, words", [
    ("targets:\n  prots: [80]\n", 2, ["prots", "ports"]),
    ("targets:\n  ports: [80, 70000]\n", 2, ["70000"]),
    ("export:\n  timeout: soon\n", 2, ["soon"]),
    ("capture:\n  ring_size: 100000\n", 2, ["100000", "power"]),
    ("exprot:\n  timeout: 1s\n", 1, ["exprot", "export"]),
    ("targets: [\n", 2, []),
    ("\tlog: x\n", 1, []),
    ("log:\n  level: loud\n", 2, ["loud", "debug"]),
    ("export:\n  timeout: 1s\n  timeout: 2s\n", 3, ["timeout"]),
    ("http:\n  routes: [users]\n", 2, ["users", "/"]),
])
def test_wrong_configuration(tmp_path, text, line, words):
    """Errors name file, line and column, and the nearest valid name; the agent says the same."""
    path = tmp_path / "sonde.yaml"
    path.write_text(text)
    for command in (["config", "check", path], ["agent", "-c", path]):
        assert_tells(run(*command), f"{path}:{line}:", *words)


def test_good_configuration(tmp_path):
    path = tmp_path / "sonde.yaml"
    path.write_text("targets:\n  ports: [80]\n")
    done = run("config", "check", path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name, value", [
    ("SONDE_CAPTURE_RING_SIZE", "tiny"), ("SONDE_TARGETS_PORTS", "80,x"),
    ("SONDE_LOG_LEVEL", "loud"),
])
def test_wrong_environment(name, value):
    assert_tells(run("agent", env={name: value}), name)


def test_unreadable_configuration(tmp_path):
    assert_tells(run("agent", "-c", tmp_path), str(tmp_path))
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 40)
    assert_tells(run("config", "check", tmp_path / "binary"), "binary")


def test_endpoint_refuses(tracing, python_server):
    """Nobody listens: spans are still shown, and those not delivered are counted."""
    trace = tracing("--port", python_server.port, "--export", f"http://127.0.0.1:{free_port()}",
                    env={"SONDE_EXPORT_TIMEOUT": "1s"})
    clients.curl_client(python_server.url, [step()] * 5)
    time.sleep(0.5)
    trace.stop()
    account = trace.account
    assert account.spans == 10 and account.lost == 0, account
    assert sum(n for k, n in account.items() if k.startswith("export_lost")) == 10, account
    assert "refused" in trace.stderr.lower() or "connect" in trace.stderr.lower(), trace.stderr


def test_endpoint_is_no_collector(tracing, tmp_path, start, python_server):
    """It answers 404 (or 501): not to be tried again, and counted as refused."""
    wrong = start(servers.NodeServer(tmp_path))
    trace = tracing("--port", python_server.port, "--export", wrong.url)
    clients.curl_client(python_server.url, [step()] * 5)
    time.sleep(0.3)
    trace.stop()
    assert trace.account.get("export_lost.refused") == 10, trace.account
    assert "404" in trace.stderr, trace.stderr


def test_endpoint_comes_back(tmp_path, python_server, collector):
    """The agent holds what it cannot deliver for a while."""
    with Agent(tmp_path, {"targets": {"ports": [python_server.port]},
                          "export": {"endpoint": collector.url}}) as agent:
        clients.curl_client(python_server.url, [step()] * 5)
        agent.stop()  # flushes
    assert len(collector.wait_spans(10, python_server.port)) == 10, agent.log


def test_client_dies_in_mid_request(tracing, python_server):
    trace = tracing("--port", python_server.port)
    dying = raw_client(python_server.port, ["send", "GET /small HTTP/1.1\r\nHost: l"],
                       ["sleep", 0.05], ["exit", 3])
    assert dying.wait(timeout=10) == 3
    clients.curl_client(python_server.url, [step(), step()])
    trace.stop()
    good = [s for s in trace.spans if s["attributes"].get("http.response.status_code") == 200]
    assert len(of_kind(good, "CLIENT")) == 2 and len(of_kind(good, "SERVER")) == 2


def test_server_dies_in_mid_request(tracing, tmp_path, start):
    """The request was made and got no response: one span at each end that says so."""
    server = start(servers.PythonServer(tmp_path))
    trace = tracing("--port", server.port)
    raw(server.port, ["send", "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        ["read", "x" * 612, 1], ["send", "GET /die HTTP/1.1\r\nHost: localhost\r\n\r\n"], ["eof"])
    trace.stop()
    spans, account = trace.spans, trace.account
    failed = [s for s in of_kind(spans, "CLIENT") if "/die" in s["attributes"]["url.full"]]
    assert len(failed) == 1, spans
    assert failed[0]["status"] == "ERROR" and failed[0]["attributes"]["error.type"]
    assert "http.response.status_code" not in failed[0]["attributes"]
    assert account.spans + account.lost == 4, account


def test_standard_output_closed(python_server):
    """A reader that goes away ends the trace, quietly."""
    process = subprocess.Popen([SONDE, "trace", "--json", "--port", str(python_server.port)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment(), stdin=subprocess.DEVNULL)
    try:
        while "tracing" not in process.stderr.readline():
            assert process.poll() is None
        process.stdout.close()
        for _ in range(20):
            clients.curl_client(python_server.url, [step()] * 3)
            if process.poll() is not None:
                break
            time.sleep(0.1)
        assert process.wait(timeout=5) >= 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()

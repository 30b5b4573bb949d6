# SPDX-License-Identifier: Apache-2.0
"""Debug files that are on no disk here, fetched from a real debuginfod, or from servers that do not do what they should."""
import contextlib
import http.server
import shutil
import socket
import subprocess
import threading

import pytest

from net import accepts, free_port
from servers import WORKLOADS
from test_profile import Summary, assert_functions, profile
from traced import Account, Agent, wait_for


@pytest.fixture
def program(tmp_path):
    """Without symbols; its debug file is in .../served."""
    path, served = tmp_path / "program", tmp_path / "served"
    served.mkdir()
    subprocess.run(["gcc", "-g", "-O2", "-pthread", "-o", path, WORKLOADS / "shares.c"], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", path, served / "program.debug"], check=True)
    subprocess.run(["strip", path], check=True)
    return path


@pytest.fixture
def environment(tmp_path):
    return {"DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")}


@pytest.fixture
def server(program):
    """The URL of elfutils' server."""
    port = free_port()
    with subprocess.Popen(["debuginfod", "-d", ":memory:", "-p", str(port), "-F", program.parent / "served"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: accepts(port), "debuginfod to start")
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@contextlib.contextmanager
def answering(body):
    """The URL of a server that says the same to everybody."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def test_fetched(program, environment, server):
    """Names, and the source's lines; the second time from the client's cache."""
    # What the server has not looked through yet it does not have, and the client believes that for a while.
    wait_for(lambda: fetches(program, environment, server), "debuginfod to find the file", timeout=30)
    without = Account.read(profile("--", program, "1").stderr).get("source_lines", 0)  # the C library's
    for url in server, f"http://127.0.0.1:{free_port()} {server}":
        done = profile("--debuginfod", url, "--", program, "1", env=environment)
        assert_functions(Summary(done.stdout.splitlines()[-1]))
        assert Account.read(done.stderr)["source_lines"] > without + 3
        assert "debug information of program: " in done.stderr and "KiB fetched" in done.stderr


def fetches(program, environment, server):
    shutil.rmtree(environment["DEBUGINFOD_CACHE_PATH"], ignore_errors=True)
    done = profile("--debuginfod", server, "--", program, "0.2", env=environment)
    return "KiB fetched" in done.stderr


def test_not_asked(program, environment, server):
    """Nobody is told what runs here unless that is wanted, whatever the environment says."""
    done = profile("--", program, "1", env={**environment, "DEBUGINFOD_URLS": server})
    assert "take_most" not in Summary(done.stdout.splitlines()[-1]).total_of
    assert not (program.parent / "cache").exists()


@pytest.mark.parametrize("what", ["nothing", "text", "another file"])
def test_wrong_answers(program, environment, what):
    """What is not the program's debug file is not believed."""
    body = {"nothing": b"", "text": b"There is no such file." * 1000}.get(what)
    if body is None:
        other = program.parent / "other"
        subprocess.run(["gcc", "-g", "-O1", "-pthread", "-o", other, WORKLOADS / "shares.c"], check=True)
        body = other.read_bytes()
    with answering(body) as url:
        done = profile("--debuginfod", url, "--", program, "1", env=environment)
    found = Summary(done.stdout.splitlines()[-1])
    unnamed = [f for f in found["functions"] if not f["name"] and f["file"] == str(program)]
    assert "take_most" not in found.total_of and unnamed[0]["total"] > 0.9 * found.samples


def test_no_answer(program, environment):
    """A server that is not there costs nothing, one that says nothing some seconds, and both are told."""
    port = free_port()
    done = profile("--debuginfod", f"http://127.0.0.1:{port}", "--", program, "1", env=environment)
    assert "cannot be fetched: Connection refused" in done.stderr
    assert Account.read(done.stderr)["source_lines_lost.awaited"] > 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = profile("--debuginfod", url, "--", program, "1",
                       env={**environment, "DEBUGINFOD_TIMEOUT": "5"})
    assert "waiting for debug information of program" in done.stderr
    assert "cannot be fetched: Timer expired" in done.stderr
    assert Summary(done.stdout.splitlines()[-1]).samples > 20


def test_agent(program, environment, server, collector, tmp_path):
    """Profiles do not wait: the names are in those that are made once the file is there. As a service it has a cache of its own."""
    wait_for(lambda: fetches(program, environment, server), "debuginfod to find the file", timeout=30)
    shutil.rmtree(environment["DEBUGINFOD_CACHE_PATH"])
    config = {"profiles": {"enabled": True, "frequency": 99, "interval": "1s", "debuginfod": server},
              "export": {"endpoint": collector.url}}
    with Agent(tmp_path, config, env={"CACHE_DIRECTORY": str(tmp_path / "service")}) as agent:
        process = subprocess.Popen([program, "6"], stdout=subprocess.DEVNULL)
        process.wait()
        agent.stop()
    assert list((tmp_path / "service").glob("*/debuginfo"))
    samples = wait_for(lambda: collector.samples(process.pid), "profiles to arrive")
    named = [any(frame["name"] == "take_most" for frame in sample["stack"]) for sample in samples]
    assert sum(named) > 0.4 * len(named) / 2, len(named)

# SPDX-License-Identifier: Apache-2.0
"""When probes come and go: programs and libraries that are there before sonde, come later, are
replaced, written over, end at any time; and what is left behind."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import tls
from checks import of_kind
from servers import WORKLOADS
from traced import Agent, Trace, read_spans, run, wait_for

LIBRARIES = ("libssl.so.3", "libcrypto.so.3")


# Has said all, and reads half of the answer before the server closes the connection, half of it later.
HALVES = r"""
import os, socket, ssl, sys, time

context = ssl.create_default_context(cafile=sys.argv[2])
peer = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))),
                           server_hostname="localhost")
peer.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
socket.socket(fileno=os.dup(peer.fileno())).shutdown(socket.SHUT_WR)
answer = peer.recv(300)
while peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 7:  # TCP_CLOSE
    time.sleep(0.001)
while more := peer.recv(300):
    answer += more
assert answer.count(b"x") >= 612
"""


class Program:
    """workloads/late_tls.py, with OpenSSL from a directory of its own. A context manager."""

    def __init__(self, authority, libraries=None, prefix=(), python=sys.executable):
        self.env = {**os.environ, **authority.env}
        if libraries:
            self.env["LD_LIBRARY_PATH"] = str(libraries)
        self.command = [*prefix, str(python), str(WORKLOADS / "late_tls.py")]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, env=self.env,
                                        stdout=subprocess.PIPE, text=True)
        return self

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def library(name):
    return subprocess.run(["sh", "-c", f"ldconfig -p | sed -n 's|.*{name} .*x86-64.*=> ||p'"],
                          check=True, capture_output=True, text=True).stdout.split()[0]


def copy_libraries(directory):
    directory.mkdir(exist_ok=True)
    for name in LIBRARIES:
        shutil.copy(library(name), directory / name)
    return directory


@pytest.fixture
def libraries(tmp_path):
    """A directory with a copy of OpenSSL that nobody else uses."""
    return copy_libraries(tmp_path / "own")


@pytest.fixture
def server(tmp_path, start, authority):
    return start(tls.Python(tmp_path, authority))


def probed(trace, directory, count=1):
    """Waits until that copy has been probed so often."""
    wait_for(lambda: trace.stderr.count(f"TLS of {directory}/libssl.so.3 (OpenSSL): ") >= count,
             f"probes in {directory}")


def client_paths(trace):
    urls = [s["attributes"].get("url.full", "") for s in of_kind(trace.spans, "CLIENT")]
    return ["/" + url.split("/", 3)[3] for url in urls]


def tracing(tmp_path, server, *args):
    return Trace(tmp_path, "--port", server.port, *args)


# --- how programs and libraries come ---------------------------------------------------------------

def test_doctor():
    """It has really attached."""
    done = run("doctor", "--json")
    rows = {c["name"]: c for c in json.loads(done.stdout)["capabilities"]}
    assert rows["plaintext of TLS"]["state"] == "ok", rows["plaintext of TLS"]


@pytest.mark.parametrize("when", ["older", "older, loads late", "later"])
def test_program(tmp_path, authority, server, libraries, when):
    """The first request after the probes are there is seen, whenever the library came."""
    program = Program(authority, libraries)
    with tracing(tmp_path, server) if when == "later" else program as first:
        if when == "older":
            first.tell("load")
        with program if when == "later" else tracing(tmp_path, server) as second:
            trace = first if when == "later" else second
            if when == "older":  # nothing need be waited for
                assert str(libraries) in trace.stderr
            else:
                assert str(libraries) not in trace.stderr
                program.tell("load")
                probed(trace, libraries)
            assert program.tell("get", server.url + "/items/1") == "200"
            trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr
    assert len(of_kind(trace.spans, "SERVER")) == 1
    assert trace.account["probes_attached"] == trace.account["probes_detached"]


def test_two_programs(tmp_path, authority, server, libraries):
    """They share the probes of a file; the second one's first request needs no time."""
    with tracing(tmp_path, server) as trace, Program(authority, libraries) as one:
        one.tell("load")
        probed(trace, libraries)
        with Program(authority, libraries) as other:
            other.tell("load")
            assert other.tell("get", server.url + "/items/2") == "200"
        assert one.tell("get", server.url + "/items/1") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/2", "/items/1"], trace.stderr
    assert trace.stderr.count(f"TLS of {libraries}") == 1


def test_command(authority, server):
    """One that is over in no time. Nobody else need use its library."""
    url = server.url + "/items/1"
    for _ in range(10):
        done = run("trace", "--json", "--", "curl", "-sS", "-o", "/dev/null", "--cacert",
                   authority.ca, url)
        spans = of_kind(read_spans(done.stdout), "CLIENT")
        assert [s["attributes"]["url.full"] for s in spans] == [url], done.stderr


def test_closed_while_plaintext_waits(tmp_path, authority, start):
    """The library had read it from the socket, which is closed, and the program has yet to."""
    server = start(tls.Nginx(tmp_path, authority))  # one record has the head and the body
    with Trace(tmp_path, "--port", server.port) as trace:
        subprocess.run([sys.executable, "-c", HALVES, str(server.port), authority.ca], check=True,
                       timeout=20)
        trace.stop()
    sent, = of_kind(trace.spans, "CLIENT")
    assert (sent["status"], sent["attributes"]["http.response.body.size"]) == ("UNSET", 612)


def test_replaced(tmp_path, authority, server, libraries):
    """As packages are: by rename. The old one is used on by those that have it."""
    with Program(authority, libraries) as old, tracing(tmp_path, server) as trace:
        old.tell("load")
        probed(trace, libraries)
        shutil.copy(libraries / "libssl.so.3", libraries / "fresh")
        (libraries / "fresh").rename(libraries / "libssl.so.3")
        with Program(authority, libraries) as new:
            new.tell("load")
            probed(trace, libraries, 2)
            assert old.tell("get", server.url + "/items/1") == "200"
            assert new.tell("get", server.url + "/items/2") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/1", "/items/2"], trace.stderr


def test_deleted(tmp_path, authority, server, libraries):
    with Program(authority, libraries) as program:
        program.tell("load")
        shutil.rmtree(libraries)
        with tracing(tmp_path, server) as trace:
            assert program.tell("get", server.url + "/items/1") == "200"
            trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr


def test_written_over(tmp_path, authority, server, libraries):
    """Here by the same bytes, which lets the program live. Its probes go, as nobody can know what is
    written, and come back."""
    bytes_of = (libraries / "libssl.so.3").read_bytes()
    with Program(authority, libraries) as program, \
            tracing(tmp_path, server, "--log-level", "debug") as trace:
        program.tell("load")
        probed(trace, libraries)
        with open(libraries / "libssl.so.3", "r+b") as file:
            file.write(bytes_of)
        wait_for(lambda: "probes detached, as the file is being written to" in trace.stderr,
                 "the probes to go")
        with Program(authority, libraries) as another:
            another.tell("load")
            probed(trace, libraries, 2)
            assert program.tell("get", server.url + "/items/1") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr


def test_cut_short(tmp_path, authority, server, libraries):
    """Which is the end of the program, and of nothing else."""
    with Program(authority, libraries) as program, tracing(tmp_path, server) as trace:
        program.tell("load")
        probed(trace, libraries)
        os.truncate(libraries / "libssl.so.3", 4096)
        with Program(authority) as another:
            another.tell("load")
            assert another.tell("get", server.url + "/items/1") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr


def test_mount_namespace(tmp_path, authority, server, libraries):
    """A library that has no path outside the container."""
    inside = tmp_path / "inside"
    inside.mkdir()
    script = f"mount -t tmpfs none {inside} && cp {libraries}/* {inside}/ && exec \"$@\""
    program = Program(authority, inside, prefix=["unshare", "-m", "sh", "-c", script, "sh"])
    with tracing(tmp_path, server) as trace, program:
        program.tell("load")
        assert not list(inside.iterdir())
        probed(trace, inside)
        assert program.tell("get", server.url + "/items/1") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr


# --- what is in the way ----------------------------------------------------------------------------

def test_hostile_files(tmp_path, authority, server):
    """A reason in a line, where the name promises a library, and nothing more."""
    whole = pathlib.Path(library("libssl.so.3")).read_bytes()
    files = {"garbage": b"\x7fELF" + bytes(range(256)) * 64, "text": b"x" * 8192,
             "cut": whole[:len(whole) // 2], "head": whole[:64] + bytes(8192),
             "wild": whole[:64] + b"\xff" * 65536}
    with tracing(tmp_path, server) as trace, Program(authority) as program:
        program.tell("load")
        for name, content in files.items():
            directory = tmp_path / name
            directory.mkdir()
            (directory / "libssl.so.3").write_bytes(content)
            assert program.tell("map", directory / "libssl.so.3") == "done"
        wait_for(lambda: f"TLS of {tmp_path}/text/libssl.so.3 is not seen: " in trace.stderr,
                 "the reason")
        assert program.tell("get", server.url + "/items/1") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr
    assert not any(f"{tmp_path}/{name}/libssl.so.3 (OpenSSL): " in trace.stderr for name in files)


def test_killed_in_handshake(tmp_path, authority, server, start):
    """Either end."""
    victim = start(tls.Python(tmp_path, authority))
    with Trace(tmp_path, "--port", server.port, "--port", victim.port) as trace, \
            socket.create_server(("127.0.0.1", 0)) as silent:
        hello = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" %
                                  silent.getsockname()[1]], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun = silent.accept()[0].recv(20)  # it waits for an answer
        hello.kill()
        hello.wait()
        with socket.create_connection(("127.0.0.1", victim.port)) as client:
            client.send(begun)
            victim.process.kill()
            victim.process.wait()
        with Program(authority) as program:
            program.tell("load")
            assert program.tell("get", server.url + "/items/1") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/1"], trace.stderr
    assert trace.account.lost == 0, trace.account


def test_denied(tmp_path, authority, server, libraries):
    """Nothing of those is probed, whoever uses it."""
    with Trace(tmp_path, "--port", server.port,
               env={"SONDE_TLS_DENY": f"/nowhere,{libraries}/*"}) as trace:
        with Program(authority, libraries) as denied, Program(authority) as other:
            for program, item in ((denied, 1), (other, 2)):
                program.tell("load")
                assert program.tell("get", f"{server.url}/items/{item}") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/2"], trace.stderr
    assert str(libraries) not in trace.stderr


def test_denied_name(tmp_path, authority, server):
    """Nothing is seen of a command of that name, though others use the same library."""
    vault = tmp_path / "vault"
    vault.symlink_to(sys.executable)
    with Trace(tmp_path, "--port", server.port, env={"SONDE_TLS_DENY_NAMES": "vault"}) as trace:
        with Program(authority, python=vault) as denied, Program(authority) as other:
            for program, item in ((denied, 1), (other, 2)):
                program.tell("load")
                assert program.tell("get", f"{server.url}/items/{item}") == "200"
        trace.stop()
    assert client_paths(trace) == ["/items/2"], trace.stderr


# --- what is left behind ---------------------------------------------------------------------------

def holdings(pid):
    """Descriptors, and kilobytes of memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return len(os.listdir(f"/proc/{pid}/fd")), int(status.split("VmRSS:")[1].split()[0])


def links(pid):
    """The BPF links that it holds."""
    held = pathlib.Path(f"/proc/{pid}/fdinfo")
    return sum("link_id:" in (held / fd).read_text() for fd in os.listdir(held))


def test_many_short_programs(tmp_path, authority, server):
    """Each one's only request is its first."""
    count, early = 1000, 100
    command = ["curl", "-sS", "-o", "/dev/null", "--cacert", authority.ca]
    with tracing(tmp_path, server) as trace:
        for number in range(count):
            if number == early:
                before = holdings(trace.process.pid), links(trace.process.pid)
            subprocess.run([*command, f"{server.url}/items/{number}"], check=True)
        after = holdings(trace.process.pid), links(trace.process.pid)
        trace.stop()
    seen = client_paths(trace)
    print(f"{len(seen)} of {count} first requests; {before} -> {after}; {trace.account}")
    assert len(seen) + trace.account.lost + trace.account.untold >= count * 0.99
    assert trace.account.get("mappings_lost", 0) == 0
    (fds, kilobytes), links_cnt = before
    assert links_cnt > 0
    assert abs(after[0][0] - fds) <= 4 and abs(after[1] - links_cnt) <= 4  # others' programs
    assert after[0][1] - kilobytes < 8192, (before, after)


def test_many_libraries(tmp_path, authority, server):
    """Of which each is another file: more than have probes at once come and go."""
    count = 20
    with tracing(tmp_path, server) as trace:
        for number in range(count):
            own = copy_libraries(tmp_path / f"copy-{number}")
            with Program(authority, own) as program:
                program.tell("load")
                probed(trace, own)
                assert program.tell("get", f"{server.url}/items/{number}") == "200"
            shutil.rmtree(own)
        trace.stop()
    assert client_paths(trace) == [f"/items/{n}" for n in range(count)], trace.stderr
    assert trace.account["probes_attached"] == trace.account["probes_detached"]


def test_off_switch(tmp_path, authority, server, libraries):
    """While it runs, and on again."""
    def standing():
        metrics = agent.metrics()
        return (metrics["sonde_probes_attached_total"] - metrics["sonde_probes_detached_total"])

    def switch(on):
        agent.write_config({**config, "tls": {"enabled": on}})
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(standing()) == on, f"probes to be there: {on}")

    def told(cnt):
        """So often it has said that it probes the client's library, and the server's."""
        return all(agent.log.count(f"TLS of {path}") == cnt for path in (f"{libraries}/", in_use))

    in_use = next(line.split()[-1] for line in open(f"/proc/{server.pid}/maps")
                  if "/libssl" in line)
    config = {"targets": {"ports": [server.port]},
              "export": {"file": str(tmp_path / "spans.json"), "batch_delay": "10ms"}}
    with Program(authority, libraries) as program, Agent(tmp_path, config) as agent:
        program.tell("load")
        wait_for(lambda: told(1), "probes")
        program.tell("get", server.url + "/items/1")
        agent.wait_spans(2)
        switch(False)
        program.tell("get", server.url + "/items/2")
        switch(True)
        wait_for(lambda: told(2), "probes")
        program.tell("get", server.url + "/items/3")
        agent.wait_spans(4)
        agent.stop()
    spans = (tmp_path / "spans.json").read_text()
    assert [spans.count(f"/items/{n}") > 0 for n in (1, 2, 3)] == [True, False, True]

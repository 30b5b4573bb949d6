# SPDX-License-Identifier: Apache-2.0
"""Go's crypto/tls, in programs of several versions, linked in several ways."""
import json
import os
import subprocess

import pytest

import clients
import tls
from checks import check_inside, check_socket_parents, of_kind
from clients import step
from servers import WORKLOADS, cached, go_program
from traced import Agent, Trace, check_counted, environment, run
from test_tls import check_exchanges, check_nothing_else, version_of

OLDEST = "/usr/lib/go-1.19/bin/go"
EXTERNAL = "-ldflags=-linkmode=external -s -w"
LINKED = {
    "plain": (),
    "stripped": (tls.STRIPPED,),
    "pie": ("-buildmode=pie",),
    "external": (EXTERNAL,),
    "external-pie": ("-buildmode=pie", EXTERNAL),
    "race": ("-race",),
}
SITES = {"writeRecordLocked", "readRecordOrCCS", "clientHandshake", "serverHandshake", "Close"}
PLAN = [
    (step(path="/small"), "/small"),
    (step(path="/items/41"), "/items/{id}"),
    (step(path="/missing"), "/missing"),
    (step("POST", "/echo", 100_000), "/echo"),
    (step(path="/empty"), "/empty"),
    (step(path="/small"), "/small"),
]


def oldest_program(name, *flags):
    """The same as go_program, by the oldest Go whose programs are seen."""
    directory = WORKLOADS / name
    source = [path.read_bytes() for path in sorted(directory.iterdir())]
    with cached(f"{name}-go1.19", *source, *map(str.encode, flags)) as built:
        if not built.exists():
            modules = "on" if (directory / "go.mod").exists() else "off"
            subprocess.run([OLDEST, "build", *flags, "-o", built, "."], check=True,
                           stdin=subprocess.DEVNULL, cwd=directory,
                           env={**os.environ, "GO111MODULE": modules, "GOTOOLCHAIN": "local"})
    return str(built)


MAKERS = {"newest": go_program, "oldest": oldest_program}


class Server(tls.TlsServer):
    service = "server"

    def __init__(self, tmp_path, authority, program):
        self.program_path = program
        super().__init__(tmp_path, authority)

    def make_command(self, tmp_path):
        return [self.program_path, self.authority.pem]


def functions_of(path):
    rows = run("sites", path).stdout.splitlines()
    assert rows[0] == "Go crypto/tls"
    return {row.split()[0].rpartition(".")[2] for row in rows[2:]}


@pytest.mark.parametrize("linked", LINKED)
@pytest.mark.parametrize("version", MAKERS)
def test_spans_are_what_the_client_did(tmp_path, start, authority, version, linked):
    program, client = (MAKERS[version](name, *LINKED[linked]) for name in ("server", "client"))
    assert functions_of(program) == SITES
    running = start(Server(tmp_path, authority, program))
    with tls.mapped(client), Trace(tmp_path, "--port", running.port) as trace:
        truth = clients.run_plan([client], running.url, [s for s, _ in PLAN], authority.env)
        trace.stop()
    check_exchanges(trace, truth, PLAN, version_of("go", "go"))
    check_inside(check_socket_parents(trace.spans))
    check_nothing_else(trace, running.port)


def test_without_section_headers(tmp_path):
    """As some tools leave executables behind: the table of functions is found by how it begins."""
    with open(go_program("server", tls.STRIPPED), "rb") as file:
        code = bytearray(file.read())
    code[0x28:0x30], code[0x3c:0x40] = bytes(8), bytes(4)  # e_shoff, e_shnum and e_shstrndx
    bare = tmp_path / "bare"
    bare.write_bytes(code)
    assert functions_of(bare) == SITES


def test_half_of_it_is_not_probed():
    """Without optimisation there is no place for a probe where records are read."""
    said = run("sites", go_program("server", "-gcflags=all=-N -l")).stdout
    assert "no probe: crypto/tls.(*Conn).readRecordOrCCS" in said
    assert "branch" not in said


def load(authority, url, *args, **env):
    done = subprocess.run([go_program("tls_load"), url, *map(str, args)], capture_output=True,
                          text=True, timeout=100, stdin=subprocess.DEVNULL,
                          env=environment(**authority.env, **env))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["errors"] == 0, done.stderr
    return told


@pytest.mark.parametrize("http2", ["", "1"])
@pytest.mark.parametrize("connections, per_connection, requests",
                         [(8, (), 10_000), (64, (), 10_000), (8, (3,), 1500)])
def test_full_speed(tmp_path, start, authority, http2, connections, per_connection, requests):
    """spans + lost by cause = requests, at both ends; what the program gets is what was sent."""
    running = start(tls.Go(tmp_path, authority))
    config = {"targets": {"ports": [running.port]}, "export": {"discard": True}}
    with tls.mapped(go_program("tls_load")), Agent(tmp_path, config) as agent:
        told = load(authority, running.url, connections, requests, *per_connection, HTTP2=http2,
                    GOMAXPROCS="2")
        metrics = agent.settled_metrics()
        agent.stop()
    check_counted(metrics, 2 * told["requests"])
    assert running.process.poll() is None


def test_parents(tmp_path, start, authority):
    """Many connections at once: each exchange has its own other end."""
    running = start(tls.Go(tmp_path, authority))
    with tls.mapped(go_program("tls_load")), Trace(tmp_path, "--port", running.port) as trace:
        load(authority, running.url, 16, 400, 5)
        trace.stop()
    assert len(of_kind(trace.spans, "SERVER")) == 400
    for client, served in check_socket_parents(trace.spans):
        assert client["attributes"]["url.full"].endswith(served["attributes"]["url.path"])
    check_nothing_else(trace, running.port)

# SPDX-License-Identifier: Apache-2.0
"""rustls in Rust programs that have their symbols: 0.23 at both ends; test_tls.py has 0.21 at a server."""
import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import clients
import tls
from checks import (TLS_CLOCK_MOST, check_clock, check_inside, check_nothing_else, check_socket_parents, check_wrk,
                    of_kind)
from clients import step
from servers import rust_program
from test_tls import HEADS, PLAN, check_exchanges
from traced import SONDE, Agent, Trace, check_counted

SITES = {"Writer::write", "Writer::write_vectored", "read_tls", "write_tls"}


class Peer(tls.TlsServer):
    service = "rustls_peer"

    def make_command(self, tmp_path):
        return [rust_program("rustls_peer"), "server", self.authority.pem]


def peer_client(*options):
    return lambda authority, base, plan: clients.run_plan(
        [rust_program("rustls_peer"), "client", *options], base, plan, authority.env)


SERVERS = {**tls.SERVERS, "rustls-0.23": Peer}
CLIENTS = {**tls.CLIENTS, "rustls": peer_client(), "rustls-http1.1": peer_client("--http1.1")}
HTTP2_CLIENTS = {*tls.HTTP2_CLIENTS, "rustls"}
HTTP2_SERVERS = {*tls.HTTP2_SERVERS, "rustls-0.23"}


def version_of(server, client):
    return "2" if server in HTTP2_SERVERS and client in HTTP2_CLIENTS else "1.1"


@pytest.fixture
def known(tmp_path, start, authority):
    """The client's file is probed before it is started: it is a server's as well."""
    return start(Peer(tmp_path, authority))


@pytest.mark.parametrize("server, client", [
    ("rustls-0.23", "curl"), ("rustls-0.23", "curl-http1.1"), ("rustls-0.23", "requests"),
    ("rustls-0.23", "aiohttp"), ("rustls-0.23", "rustls"),
    ("rustls-0.23", "rustls-http1.1"), ("rustls", "rustls"), ("rustls", "rustls-http1.1"),
    ("nginx", "rustls"), ("nginx", "rustls-http1.1"), ("python", "rustls")])
def test_spans_are_what_the_client_did(tmp_path, start, authority, known, server, client):
    running = known if server == "rustls-0.23" else start(SERVERS[server](tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        truth = CLIENTS[client](authority, running.url, [s for s, _ in PLAN])
        trace.stop()
    assert [t["status"] for t in truth] == [200, 200, 404, 500, 200, 204, 200, 200, 200]
    check_exchanges(trace, truth, PLAN, version_of(server, client))
    check_inside(check_socket_parents(trace.spans))
    check_nothing_else(trace, running.port)
    if truth[0]["times_fine"]:
        check_clock(of_kind(trace.spans, "CLIENT"), truth, TLS_CLOCK_MOST)
    assert {s["resource"]["service.name"] for s in of_kind(trace.spans, "SERVER")} == \
        {running.service}


@pytest.mark.parametrize("client", ["requests", "rustls-http1.1"])
def test_head(tmp_path, authority, known, client):
    """Its response announces a body that does not come."""
    with Trace(tmp_path, "--port", known.port) as trace:
        truth = CLIENTS[client](authority, known.url, [s for s, _ in HEADS])
        trace.stop()
    check_exchanges(trace, truth, HEADS, version_of("rustls-0.23", client))
    check_inside(check_socket_parents(trace.spans))
    check_nothing_else(trace, known.port)


@pytest.mark.parametrize("server", ["rustls-0.23", "rustls"])
def test_big_uploads(tmp_path, start, authority, known, server):
    """What one record has is read in many pieces, and other connections are served meanwhile."""
    running = known if server == "rustls-0.23" else start(SERVERS[server](tmp_path, authority))
    plan = [(step("POST", "/echo", 10_000_000), "/echo"), (step(), "/small")] * 2
    with Trace(tmp_path, "--port", running.port) as trace:
        with ThreadPoolExecutor() as at_once:
            loads = [at_once.submit(CLIENTS["rustls-http1.1"], authority, running.url,
                                    [s for s, _ in plan]) for _ in range(3)]
        truths = [load.result() for load in loads]
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    check_inside(pairs)
    assert len(pairs) == 3 * len(plan), trace.stderr
    for _, served in pairs:
        a = served["attributes"]
        assert a.get("http.request.body.size", 0) == \
            (10_000_000 if a["url.path"] == "/echo" else 0)
    assert [[t["status"] for t in truth] for truth in truths] == [[200] * 4] * 3
    check_nothing_else(trace, running.port)


@pytest.mark.parametrize("client", ["rustls", "rustls-http1.1"])
def test_many_connections(tmp_path, authority, known, client):
    """A program of its own, and a handshake, for each request."""
    with Trace(tmp_path, "--port", known.port) as trace:
        for number in range(20):
            CLIENTS[client](authority, known.url, [step(path=f"/items/{number}")])
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    check_inside(pairs)
    assert [served["attributes"]["url.path"] for _, served in pairs] == \
        [f"/items/{number}" for number in range(20)]
    check_nothing_else(trace, known.port)


def test_wrk(tmp_path, known):
    """Eight connections at the server's full speed: as many spans as wrk counted responses."""
    with Trace(tmp_path, "--port", known.port) as trace:
        counted = clients.wrk(known.url + "/small", connections=8, seconds=1)
        trace.stop()
    check_wrk(trace, counted)


@pytest.mark.parametrize("server", ["rustls-0.23", "rustls"])
def test_full_speed_http2(tmp_path, start, authority, known, server):
    running = known if server == "rustls-0.23" else start(SERVERS[server](tmp_path, authority))
    config = {"targets": {"ports": [running.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done = clients.h2load(running.url + "/small", 20_000, 8, 8)
        metrics = agent.settled_metrics()
        agent.stop()
    assert done == 20_000
    check_counted(metrics, 2 * done)


def test_http2_spans(tmp_path, known):
    tls.check_streams(tmp_path, known)


# --- where it is probed ---

def found_in(path):
    done = subprocess.run([SONDE, "sites", "--json", path], text=True, stdout=subprocess.PIPE,
                          check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("program, read", [("hyper_server", "Reader::read"),
                                           ("rustls_peer", "take_received_plaintext")])
def test_sites(program, read):
    status, found = found_in(rust_program(program))
    assert status == 0 and found["library"] == "rustls"
    assert {site["function"] for site in found["sites"]} == SITES | {read}


def test_nothing_without_symbols(tmp_path):
    stripped = tmp_path / "stripped"
    shutil.copy(rust_program("rustls_peer"), stripped)
    subprocess.run(["strip", stripped], check=True)
    status, found = found_in(stripped)
    assert status != 0 and not found.get("sites")
    assert found.get("library") is None


def test_nothing_if_a_function_is_missing(tmp_path):
    """As when the compiler has put it into its callers."""
    cut = tmp_path / "cut"
    shutil.copy(rust_program("rustls_peer"), cut)
    listed = subprocess.run(["nm", cut], check=True, text=True, stdout=subprocess.PIPE).stdout
    names = [line.split()[2] for line in listed.splitlines()
             if "CommonState23take_received_plaintext" in line]
    assert names
    subprocess.run(["strip", *[f"--strip-symbol={name}" for name in names], cut], check=True)
    status, found = found_in(cut)
    assert status != 0 and not found["sites"]
    assert "take_received_plaintext" in found["missing"]

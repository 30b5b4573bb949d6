# SPDX-License-Identifier: Apache-2.0
"""HTTP over TLS at full speed: spans + lost by cause = requests."""
import pytest

import clients
import tls
from checks import check_wrk
from traced import Agent, Trace, check_counted


@pytest.mark.parametrize("server", ["python", "aiohttp", "node", "go", "rustls"])
def test_wrk(tmp_path, start, authority, server):
    """Eight connections at the server's full speed: as many spans as wrk counted responses."""
    running = start(tls.SERVERS[server](tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        counted = clients.wrk(running.url + "/small", connections=8, seconds=1)
        trace.stop()
    check_wrk(trace, counted)


@pytest.mark.parametrize("targets, ends", [("server", 1), ("both", 2)])
def test_full_speed(tmp_path, start, authority, targets, ends):
    """spans + lost by cause = requests, by nginx's own count."""
    running = start(tls.NginxPair(tmp_path, authority))
    config = {"targets": {"ports": [running.port]}, "export": {"discard": True}}
    if targets == "server":
        config["targets"] = {"pids": [running.pid]}  # and its workers
    with Agent(tmp_path, config) as agent:
        clients.wrk(running.url + "/small", connections=8, seconds=4)
        truth = running.requests()
        metrics = agent.settled_metrics()
        agent.stop()
    if targets == "server":
        truth += running.status_calls  # its status page is traced too
    check_counted(metrics, ends * truth)


@pytest.mark.parametrize("server", ["nginx", "go"])
def test_full_speed_http2(tmp_path, start, authority, server):
    running = start(tls.SERVERS[server](tmp_path, authority))
    config = {"targets": {"ports": [running.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done = clients.h2load(running.url + "/small", 30_000, 8, 8)
        metrics = agent.settled_metrics()
        agent.stop()
    assert done == 30_000
    check_counted(metrics, 2 * done)


def test_http2_spans(tmp_path, start, authority):
    tls.check_streams(tmp_path, start(tls.Nginx(tmp_path, authority)))

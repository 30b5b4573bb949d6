# SPDX-License-Identifier: Apache-2.0
"""Ground truth under load: spans + lost by cause = requests, by nginx's own count."""
import pytest

import clients
import servers
from checks import of_kind
from traced import Agent, Trace, check_counted, check_steady, lost

pytestmark = pytest.mark.alone

REQUESTS = 200_000
PIPELINE = """
local depth = 16
local batch
init = function()
  local requests = {}
  for i = 1, depth do requests[i] = wrk.format() end
  batch = table.concat(requests)
end
request = function() return batch end
"""


@pytest.fixture
def pair(tmp_path, start):
    return start(servers.NginxPair(tmp_path))


def blast(server, requests=REQUESTS, **how):
    """Full speed until the server has counted enough."""
    while server.requests() < requests:
        clients.wrk(server.url + "/small", connections=32, seconds=2, **how)
    return server.requests()


@pytest.mark.parametrize("script", [None, PIPELINE], ids=["keepalive", "pipelined"])
@pytest.mark.parametrize("targets, ends", [("server", 1), ("both", 2)])
def test_full_speed(tmp_path, pair, script, targets, ends):
    if script:
        path = tmp_path / "pipeline.lua"
        path.write_text(script)
        script = path
    config = {"targets": {"ports": [pair.port]}, "export": {"discard": True}}
    if targets == "server":
        config["targets"] = {"pids": [pair.pid]}  # and its workers
    with Agent(tmp_path, config) as agent:
        # A batch of several responses waits for acknowledgements: no more than 12,000 a second pass.
        truth = blast(pair, REQUESTS if not script else REQUESTS // 4, script=script)
        metrics = agent.settled_metrics()
        agent.stop()
    if targets == "server":
        truth += pair.status_calls  # its status page is traced too
    check_counted(metrics, ends * truth)


def test_nothing_is_lost_at_20000_per_second(tmp_path, pair):
    def load(rate, seconds=10):
        before = pair.requests()
        done = clients.paced(f"127.0.0.1:{pair.port}", "/small", 32, rate, seconds)
        assert done["requests"] == pair.requests() - before == rate * seconds
        assert done["errors"] == 0
        return done["requests"], done["late"]

    check_steady(tmp_path, pair.port, load)


def test_export_under_load(tmp_path, pair, collector):
    """What leaves for the Collector arrives there: as many spans as were accepted."""
    config = {"targets": {"ports": [pair.port]}, "export": {"endpoint": collector.url}}
    with Agent(tmp_path, config) as agent:
        clients.paced(f"127.0.0.1:{pair.port}", "/small", 16, 2_000, 5)
        agent.settled_metrics()
        agent.stop()
    spans = collector.wait_spans(20_000, pair.port, timeout=30)
    assert len(spans) == 20_000, agent.log
    ids = {s["spanId"] for s in of_kind(spans, "CLIENT")}
    assert all(s["parentSpanId"] in ids for s in of_kind(spans, "SERVER"))


def test_tiny_ring_is_counted(tmp_path, pair):
    """A ring that overflows costs spans, and each one is in the account."""
    with Trace(tmp_path, "--port", pair.port, "--discard",
               env={"SONDE_CAPTURE_RING_SIZE": "64KiB"}) as trace:
        clients.wrk(pair.url + "/small", connections=64, seconds=3)
        truth = pair.requests()
        trace.stop()
    account = trace.account
    assert account.get("ring_full", 0) > 0, f"the ring was large enough: {account}"
    assert account.get("lost.ring_full", 0) + account.get("lost.gap", 0) > 0, account
    assert abs(account.spans + account.lost - 2 * truth) <= 2 * truth // 100, (truth, account)


@pytest.fixture
def close(tmp_path):
    """For wrk: each request on a connection of its own."""
    script = tmp_path / "close.lua"
    script.write_text('wrk.headers["Connection"] = "close"\n')
    return script


def test_storm_of_connections(tmp_path, pair, close):
    """100,000 connections, one request on each: all are counted, and memory stays bounded."""
    config = {"targets": {"ports": [pair.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        while pair.requests() < 100_000:
            clients.wrk(pair.url + "/small", connections=256, seconds=4, script=close)
        truth = pair.requests()
        metrics = agent.settled_metrics()
        agent.stop()
    check_counted(metrics, 2 * truth)
    assert metrics["sonde_connections_total"] + lost(metrics) >= 2 * truth
    assert metrics["sonde_resident_memory_bytes"] <= 48 << 20


def test_storm_at_a_tiny_ring(tmp_path, pair, close):
    """Most of the connections find no room in the ring, often none at all, and yet each is counted."""
    config = {"targets": {"ports": [pair.port]}, "export": {"discard": True},
              "capture": {"ring_size": "64KiB"}}
    with Agent(tmp_path, config) as agent:
        clients.wrk(pair.url + "/small", connections=256, seconds=4, script=close)
        truth = pair.requests()
        metrics = agent.settled_metrics()
        agent.stop()
    assert lost(metrics) > truth // 100, f"the ring was large enough: {metrics}"
    check_counted(metrics, 2 * truth, share=0.01)


def test_memory_is_bounded(tmp_path, pair):
    with Agent(tmp_path, {"export": {"discard": True}}) as agent:
        clients.wrk(pair.url + "/small", connections=256, seconds=4)
        metrics = agent.metrics()
        agent.stop()
    assert metrics["sonde_resident_memory_bytes"] <= 48 << 20

# SPDX-License-Identifier: Apache-2.0
"""Sampling in the agent and the metrics before it: what was sent is known from the client."""
import collections
import math
import re
import signal

import pytest

import clients
import gateway
import servers
from checks import MS, duration
from clients import step
from traced import Agent, wait_for

REQUESTS, PER_S = 50_000, 5_000
PATHS = "/small:98,/fail:1,/slow:1"
SLOW_MS = 50  # what /slow sleeps at least, and a bound of the histograms


@pytest.fixture
def go_server(tmp_path, start):
    return start(servers.GoServer(tmp_path))


def labels_of(text):
    return dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text))


def scraped(agent, name):
    """{labels: value} of one name on /metrics."""
    found = re.findall(rf"^{name}{{(.*)}} (\S+)$", agent.get("/metrics"), re.M)
    return [(labels_of(labels), float(value)) for labels, value in found]


def settle(agent):
    """The metrics, when each span made is accounted for."""
    def settled():
        m = agent.metrics()
        done = sum(v for k, v in m.items() if k.startswith((
            "sonde_sampled_out_total", "sonde_exported_total", "sonde_export_lost_total")))
        return m if m["sonde_spans_total"] and m["sonde_spans_total"] == done else None
    agent.settled_metrics()  # what is still in the ring
    return wait_for(settled, "every span to be accounted for", 30, 0.2)


def last_points(points):
    """The newest of each series; they only grow and never start anew."""
    series = {}
    for point in sorted(points, key=lambda p: p["time"]):
        key = (point["name"], *sorted(point["attributes"].items()),
               point["resource"].get("process.pid"))
        before = series.get(key)
        if before:
            assert point["start"] == before["start"] < before["time"] < point["time"]
            assert all(a <= b for a, b in zip(before["buckets"], point["buckets"]))
        assert sum(point["buckets"]) == point["count"] and point["temporality"] == 2
        assert point["unit"] == "s" and len(point["buckets"]) == len(point["bounds"]) + 1
        series[key] = point
    return list(series.values())


def check_points(points, truth):
    """Metrics against the client's counts, exactly."""
    seen = {"http.server.request.duration": collections.Counter(),
            "http.client.request.duration": collections.Counter()}
    for point in points:
        a = point["attributes"]
        route = a.get("http.route", "")
        seen[point["name"]][f"{route} {a['http.response.status_code']}"] += point["count"]
        assert a["http.request.method"] == "GET" and a["network.protocol.version"] == "1.1"
        assert a.get("error.type") == ("500" if a["http.response.status_code"] == 500 else None)
        assert ("server.address" in a) == (point["name"] == "http.client.request.duration")
    by_status = collections.Counter()
    for key, count in truth.items():
        by_status[" " + key.split()[1]] += count
    assert seen["http.server.request.duration"] == truth
    assert seen["http.client.request.duration"] == by_status


def check_scraped(agent, port, truth):
    """The same on /metrics."""
    seen = collections.Counter()
    for labels, value in scraped(agent, "http_server_request_duration_seconds_count"):
        if labels["service_name"] == "server":
            seen[f"{labels['http_route']} {labels['http_response_status_code']}"] += int(value)
    assert seen == truth
    clients_seen = sum(value for labels, value in
                       scraped(agent, "http_client_request_duration_seconds_bucket")
                       if labels["le"] == "+Inf" and labels["server_port"] == str(port))
    assert clients_seen == sum(truth.values())


def check_kept(spans, truth, share):
    """Which traces were kept: all that had to be, the rest by chance, each whole."""
    traces = collections.defaultdict(list)
    for span in spans:
        traces[span["traceId"]].append(span)
    certain, by_chance = collections.Counter(), 0
    for of_trace in traces.values():
        assert sorted(s["kind"] for s in of_trace) == ["CLIENT", "SERVER"], of_trace
        states = {s["traceState"] for s in of_trace}
        (path,) = {s["attributes"]["url.path"] for s in of_trace if s["kind"] == "SERVER"}
        must = any(s["status"] == "ERROR" or duration(s) >= SLOW_MS * MS for s in of_trace)
        assert states == {"ot=th:0" if must else "ot=th:e666"}, of_trace
        if must:
            certain[path] += 1
        else:
            assert int(of_trace[0]["traceId"][-14:], 16) >= 0xe6660000000000
            by_chance += 1
    assert certain["/fail"] == truth["/fail 500"] and certain["/slow"] == truth["/slow 200"]
    rest = sum(truth.values()) - sum(certain.values())
    sigma = math.sqrt(rest * share * (1 - share))
    assert abs(by_chance - rest * share) <= 4 * sigma, (by_chance, rest, certain)


def test_ten_percent(tmp_path, collector, go_server):
    config = {"targets": {"ports": [go_server.port]},
              "export": {"endpoint": collector.url, "queue_size": 65536},
              "metrics": {"interval": "2s"},
              "sampling": {"probability": 0.1, "slow": f"{SLOW_MS}ms"}}
    with Agent(tmp_path, config) as agent:
        done = clients.paced(f"127.0.0.1:{go_server.port}", PATHS, 64, PER_S, REQUESTS // PER_S)
        truth = collections.Counter(done["counts"])
        assert done["errors"] == 0 and sum(truth.values()) >= REQUESTS * 0.99
        assert min(truth["/fail 500"], truth["/slow 200"]) >= REQUESTS * 0.009
        metrics = settle(agent)
        check_scraped(agent, go_server.port, truth)
        agent.stop()
    assert metrics["sonde_spans_total"] == 2 * sum(truth.values()), metrics
    assert metrics["sonde_sampling_early_total"] == 0
    assert metrics["sonde_resident_memory_bytes"] <= (48 + 64) << 20  # and sampling.max_waiting
    spans = collector.wait_spans(metrics['sonde_exported_total{cause="sent"}'], go_server.port)
    check_kept(spans, truth, 0.1)
    points = [p for p in collector.points()
              if p["resource"].get("process.pid") == go_server.pid
              or p["attributes"].get("server.port") == go_server.port]
    assert len({p["time"] for p in points}) > 3
    check_points(last_points(points), truth)


def test_reload(tmp_path, collector, python_server):
    """SIGHUP takes a new probability."""
    config = {"targets": {"ports": [python_server.port]}, "export": {"endpoint": collector.url},
              "sampling": {"wait": "100ms"}}
    with Agent(tmp_path, config) as agent:
        clients.curl_client(python_server.url, [step()] * 5)
        assert settle(agent)["sonde_sampled_out_total"] == 0
        agent.write_config({**config, "sampling": {"probability": 0, "wait": "100ms"}})
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded sampling.probability" in agent.log, "the reload to be told")
        clients.curl_client(python_server.url, [step()] * 7 + [step(path="/fail")])
        wait_for(lambda: agent.metrics()["sonde_spans_total"] == 26, "the spans")
        assert settle(agent)["sonde_sampled_out_total"] == 14
        agent.stop()
    spans = collector.wait_spans(12, python_server.port)
    assert [s["traceState"] for s in spans] == [""] * 10 + ["ot=th:0"] * 2, agent.log


def test_gateway_without_metrics(tmp_path, start, python_server):
    """It is told of once, and its traces arrive."""
    receiver = start(gateway.Collector(tmp_path, metrics=False))
    config = {"targets": {"ports": [python_server.port]}, "export": {"endpoint": receiver.url},
              "metrics": {"interval": "1s"}}
    with Agent(tmp_path, config) as agent:
        clients.curl_client(python_server.url, [step()] * 5)
        wait_for(lambda: "takes no data points" in agent.log, "the answer to be told")
        clients.curl_client(python_server.url, [step()] * 5)
        assert len(receiver.wait_spans(20, python_server.port)) == 20
        agent.stop()
    assert agent.log.count("/v1/metrics") == 1, agent.log

# SPDX-License-Identifier: Apache-2.0
"""A program that OpenTelemetry's own SDK traces: its spans and ours in one Collector."""
import re
import sys

import pytest

import clients
import gateway
import servers
from checks import check_inside
from clients import step
from traced import Agent, wait_for

REQUESTS = 20
PARENT = "00f067aa0ba902b7"


class SdkService(servers.Server):
    command = [sys.executable, str(servers.WORKLOADS / "sdk_service.py")]
    service = "front"

    def __init__(self, tmp_path, *args):
        super().__init__(tmp_path, *args, env={"OTEL_SERVICE_NAME": self.service})


@pytest.fixture
def receiver(tmp_path):
    with gateway.Collector(tmp_path) as running:
        yield running


@pytest.fixture
def back(tmp_path, start):
    return start(servers.PythonServer(tmp_path))


@pytest.fixture
def front(tmp_path, start, back, receiver):
    return start(SdkService(tmp_path, back.url, receiver.url))


def ask(front, path, number=0):
    header = f"00-{number:032x}-{PARENT}-01"
    headers = {"traceparent": header} if number else {}
    clients.requests_client(front.url, [step(path=path, **headers)])


def by_maker(spans, trace_id):
    """{(sdk, service, kind): spans} of one trace."""
    found = {}
    for span in spans:
        if span["traceId"] == f"{trace_id:032x}":
            key = (span["resource"]["telemetry.sdk.name"], span["resource"]["service.name"],
                   span["kind"])
            found.setdefault(key, []).append(span)
    return found


def all_told(metrics):
    """Whether every span was exported or left out, none waiting in a batch."""
    return metrics["sonde_spans_total"] == sum(v for k, v in metrics.items() if k.startswith(
        ("sonde_left_out_total", "sonde_exported_total")))


def run(tmp_path, receiver, front, back, **sdk):
    """Traces 20 requests after one by which it is seen that the front exports; the spans of all, and
    what the agent says."""
    config = {"targets": {"ports": [front.port, back.port, receiver.port]},
              "export": {"endpoint": receiver.url}, "sdk": sdk}
    with Agent(tmp_path, config) as agent:
        ask(front, "/relay")
        ask(front, "/flush")
        wait_for(lambda: "exports OpenTelemetry spans of its own" in agent.log,
                 "the front to be known")
        for number in range(1, REQUESTS + 1):
            ask(front, "/relay", number)
        ask(front, "/flush")
        agent.settled_metrics()
        wait_for(lambda: all_told(agent.metrics()), "all spans to be sent or left out")
        metrics = agent.metrics()
        text = agent.get("/metrics")
        agent.stop()
    assert f"front (PID {front.pid}) exports OpenTelemetry spans of its own" in agent.log
    assert agent.log.count("spans of its own") == 1, agent.log  # the Collector relays only
    assert all_told(metrics), metrics
    # The SDK's own timer may have exported once more, which makes spans, since the metrics were read.
    sent = int(re.search(r"exported: (\d+) sent", agent.log)[1])
    wait_for(lambda: sum(s["resource"]["telemetry.sdk.name"] == "sonde"
                         for s in receiver.spans()) == sent, f"our {sent} spans in the Collector")
    return receiver.spans(), metrics, text


def test_one_trace_without_duplicates(tmp_path, receiver, front, back):
    spans, metrics, text = run(tmp_path, receiver, front, back)
    for number in range(1, REQUESTS + 1):
        made = by_maker(spans, number)
        (served,) = made.pop(("opentelemetry", "front", "SERVER"))
        (asked,) = made.pop(("opentelemetry", "front", "CLIENT"))
        (caller,) = made.pop(("sonde", "http_client", "CLIENT"))
        (bare,) = made.pop(("sonde", "front", "CLIENT"))
        answered = made.pop(("sonde", "http_server", "SERVER"))
        assert not made, made
        assert served["parentSpanId"] == caller["parentSpanId"] == PARENT
        assert asked["parentSpanId"] == served["spanId"]
        # What the SDK does not see: sent for that request, of which ours is left out.
        assert bare["parentSpanId"] == PARENT and bare["attributes"]["url.full"].endswith("/empty")
        assert bare["attributes"]["sonde.parent.method"] == "task"
        parents = {s["attributes"]["url.path"]: s["parentSpanId"] for s in answered}
        assert parents == {"/small": asked["spanId"], "/empty": bare["spanId"]}
        check_inside([(bare, s) for s in answered if s["parentSpanId"] == bare["spanId"]])
    # Of each request the server span and the client span with a header, and the last flush.
    assert metrics['sonde_left_out_total{cause="sdk"}'] == 2 * REQUESTS + 1, metrics
    counted = [line for line in text.splitlines() if line.startswith(
        "http_server_request_duration_seconds_count") and 'service_name="front"' in line
        and '/relay"' in line]
    assert sum(float(line.split()[-1]) for line in counted) == REQUESTS + 1, counted


def test_all_are_kept_where_that_is_wanted(tmp_path, receiver, front, back):
    spans, metrics, _ = run(tmp_path, receiver, front, back, leave_out="none")
    assert metrics['sonde_left_out_total{cause="sdk"}'] == 0
    for number in range(1, REQUESTS + 1):
        made = by_maker(spans, number)
        (asked,) = made["opentelemetry", "front", "CLIENT"]
        (ours,) = made["sonde", "front", "SERVER"]
        parents = {s["attributes"]["url.full"].rsplit("/")[-1]: s["parentSpanId"]
                   for s in made["sonde", "front", "CLIENT"]}
        assert parents == {"small": asked["spanId"], "empty": ours["spanId"]}

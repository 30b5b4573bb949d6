# SPDX-License-Identifier: Apache-2.0
"""`sonde map`: the graph of a small shop (nginx, a service, a cache, a database) is the one that its
customers know, live and from files."""
import json
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

import clients
import servers
from clients import step
from postgresql import Postgres
from traced import SONDE, Account, Trace, run

ITEMS, FAILURES = 20, 3
PLAN = [step(path=f"/items/{n}") for n in range(ITEMS)] + [step(path="/fail")] * FAILURES


class Map(Trace):
    """`sonde map --json ARGS`, from attached to stopped. A context manager."""
    name, doing = "map", "mapping"

    @property
    def graph(self):
        return Graph(self.stdout)


class Graph(dict):
    def __init__(self, text):
        super().__init__(json.loads(text))

    def edges(self):
        """{(from, to, protocol): (requests, errors)}"""
        return {(e["from"], e["to"], e["protocol"]): (e["requests"], e["errors"])
                for e in self["edges"]}


class Shop(servers.Server):
    service = "shop"

    def __init__(self, tmp_path, redis, database):
        self.command = [sys.executable, str(servers.WORKLOADS / "shop.py"), str(redis.port),
                        str(database.port)]
        super().__init__(tmp_path)


class Front(servers.BareNginx):
    """nginx in front of the shop."""

    def __init__(self, tmp_path, shop):
        self.shop = shop
        super().__init__(tmp_path)

    def configure(self, directory):
        return f"""
    upstream shop {{ server 127.0.0.1:{self.shop.port}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{self.fixed_port};
        location / {{
            proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}"""


@pytest.fixture
def shop(tmp_path, start):
    redis, database = start(servers.Redis(tmp_path)), start(Postgres(tmp_path))
    shop = start(Shop(tmp_path, redis, database))
    front = start(Front(tmp_path, shop))
    front.ports = [front.port, shop.port, redis.port, database.port]
    return front


def ports(front):
    return [word for port in front.ports for word in ("--port", port)]


def check_edges(edges, customer):
    """What the customers did, and what the shop does for it."""
    calls = ITEMS + FAILURES
    assert edges[customer, "nginx", "http"] == (calls, FAILURES)
    assert edges["nginx", "shop", "http"] == (calls, FAILURES)
    assert edges["shop", "redis-server", "redis"] == (ITEMS, 0)
    assert edges["shop", "postgres", "postgresql"] == (ITEMS // 2, 0)
    assert len(edges) == 4


def test_edges(tmp_path, start, shop):
    """Each call is one edge's, once, by whichever ends were seen."""
    mapping = start(Map(tmp_path, *ports(shop)))
    clients.requests_client(shop.url, PLAN)
    mapping.stop()
    graph = mapping.graph
    check_edges(graph.edges(), "http_client")
    for edge in graph["edges"]:
        assert 0 < edge["p50Nano"] <= edge["p95Nano"] <= edge["p99Nano"] < 60e9
        assert edge["rate"] == pytest.approx(edge["requests"] / graph["seconds"])
    (client,) = [e for e in graph["edges"] if e["from"] == "http_client"]
    assert client["responseBytes"] == 4 * (ITEMS + FAILURES)
    assert mapping.account.lost == 0, mapping.stderr


def test_outside_and_peers(tmp_path, start, shop):
    """Whoever is not traced is outside, or stands by address and port."""
    mapping = start(Map(tmp_path, "-p", shop.pid))
    clients.requests_client(shop.url, PLAN)
    mapping.stop()
    calls = ITEMS + FAILURES
    assert mapping.graph.edges() == {
        ("outside", "nginx", "http"): (calls, FAILURES),
        ("nginx", f"shop:{shop.shop.port}", "http"): (calls, FAILURES)}


def test_files(tmp_path, start, tracing, shop):
    """Both kinds of files make the same map, without root's powers; text, picture and Graphviz."""
    otlp = tmp_path / "spans.jsonl"
    trace = tracing(*ports(shop), "--otlp-file", otlp)
    clients.requests_client(shop.url, PLAN)
    trace.stop()
    for file in (otlp, trace.stdout_path):
        done = run("map", "--from", file, "--json")
        assert done.returncode == 0, done.stderr
        check_edges(Graph(done.stdout).edges(), "http_client")
    picture = tmp_path / "map.svg"
    done = run("map", "--from", otlp, "--svg", picture)
    assert done.returncode == 0, done.stderr
    for name in ("http_client", "nginx", "shop", "redis-server", "postgres"):
        assert re.search(rf"^\W*{name}( |$)", done.stdout, re.MULTILINE), done.stdout
    texts = "".join(xml.etree.ElementTree.parse(picture).getroot().itertext())
    assert "postgres" in texts and f"{100 * FAILURES / (ITEMS + FAILURES):.1f} % failed" in texts
    done = run("map", "--from", otlp, "--dot")
    assert done.stdout.startswith("digraph") and done.stdout.count("->") == 4
    with open(otlp, "rb") as spans:
        done = subprocess.run([SONDE, "map", "--from", "-", "--json"],
                              stdin=spans, capture_output=True, text=True, check=True)
    check_edges(Graph(done.stdout).edges(), "http_client")


def led_to(spans, target):
    """{service: (requests, those with a span of the target's below them)}, where there are any."""
    by_id = {s["spanId"]: s for s in spans}
    service = {s["spanId"]: s["resource"]["service.name"] for s in spans}
    serving = {service[s["spanId"]] for s in spans if s["kind"] == "SERVER"}
    requests = [s["spanId"] for s in spans if s["kind"] == "SERVER" or (
        not s["parentSpanId"] and service[s["spanId"]] not in serving)]
    led = set()
    for span in spans:
        above = span["spanId"]
        while service[span["spanId"]] == target and above in by_id:
            led.add(above)
            above = by_id[above]["parentSpanId"]
    counts = {name: (sum(service[r] == name for r in requests),
                     sum(service[r] == name and r in led for r in requests))
              for name in set(service.values()) - {target}}
    return {name: both for name, both in counts.items() if both[1]}


def test_impact_and_critical_path(tmp_path, tracing, shop):
    """What the tool says follows from the parents that the spans have."""
    trace = tracing(*ports(shop))
    clients.requests_client(shop.url, PLAN)
    trace.stop()
    affected = {}
    for target in ("nginx", "shop", "postgres"):
        done = run("map", "--from", trace.stdout_path, "--impact", target, "--json")
        affected[target] = {a["name"]: (a["requests"], a["affected"])
                            for a in json.loads(done.stdout)["affected"]}
        assert affected[target] == led_to(trace.spans, target)
    assert affected["nginx"] == {"http_client": (ITEMS + FAILURES, ITEMS + FAILURES)}
    done = run("map", "--from", trace.stdout_path, "--slowest", "--json")
    slowest = json.loads(done.stdout)
    root = slowest["spans"][0]
    assert root["critical"]
    assert sum(s["onPathNano"] for s in slowest["spans"]) == root["durationNano"]
    assert root["durationNano"] == max(
        s["endTimeUnixNano"] - s["startTimeUnixNano"] for s in trace.spans)
    again = run("map", "--from", trace.stdout_path, "--trace", slowest["traceId"], "--json")
    assert json.loads(again.stdout) == slowest


@pytest.mark.parametrize("args, text, said", [
    ([], "", "has no spans"), ([], "{}\n[\n", "has no spans"),
    (["--impact", "nobody"], None, "no service is called nobody"),
    (["--trace", "ff"], None, "no trace begins with ff"),
])
def test_bad_files(tmp_path, args, text, said):
    file = tmp_path / "spans.jsonl"
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "x", "kind": "SERVER",
            "startTimeUnixNano": "1", "endTimeUnixNano": "2", "resource": {"service.name": "a"}}
    file.write_text(json.dumps(span) if text is None else text)
    done = run("map", "--from", file, *args)
    assert done.returncode == 1 and said in done.stderr
    assert run("map", "--from", tmp_path / "none").returncode == 1


def test_command(tmp_path, shop):
    """A command is watched from its first byte, and its status is what comes back."""
    done = run("map", "--json", "--", "curl", "-sf", "-o", "/dev/null", shop.url + "/fail")
    assert done.returncode == 22, done.stderr
    (edge,) = Graph(done.stdout)["edges"]
    assert (edge["from"], edge["requests"], edge["errors"]) == ("curl", 1, 1)
    assert Account.read(done.stderr).lost == 0

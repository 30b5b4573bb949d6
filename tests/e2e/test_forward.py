# SPDX-License-Identifier: Apache-2.0
"""Proxies: what they send is the child of what they received. The server behind them answers each request
with a number of its own, which the proxy hands on: so both ends of a pair tell the same one."""
import http.client
import itertools
import subprocess
import threading

import pytest

import servers
from checks import of_kind
from net import free_port
from traced import wait_for

CAPTURE = {"SONDE_HTTP_CAPTURE_RESPONSE_HEADERS": "x-answered"}
ANSWERED = "http.response.header.x-answered"
BACKEND = """
    server {
        listen 127.0.0.1:%d backlog=4096;
        location / {
            add_header X-Answered $pid-$connection-$connection_requests;
            return 200 "$uri";
        }
    }
"""
FRONT = """
    upstream back { server 127.0.0.1:%(backend)d; %(keepalive)s }
    server {
        listen 127.0.0.1:%(port)d %(listen)s;
        location / { proxy_pass http://back; %(location)s }
    }
"""
RETRIES = """
    upstream back { server 127.0.0.1:%(failing)d max_fails=0; server 127.0.0.1:%(backend)d; }
    server {
        listen 127.0.0.1:%(port)d;
        location / {
            proxy_pass http://back;
            proxy_next_upstream http_503;
        }
    }
    server { listen 127.0.0.1:%(failing)d; location / { return 503; } }
"""
KEEPALIVE = {"keepalive": "keepalive 64;",
             "location": 'proxy_http_version 1.1; proxy_set_header Connection "";'}


class Backend(servers.BareNginx):
    def configure(self, directory):
        return BACKEND % self.fixed_port


class NginxFront(servers.BareNginx):
    workers, options = 2, {}

    def __init__(self, tmp_path, backend_port):
        self.backend_port = backend_port
        super().__init__(tmp_path)

    def configure(self, directory):
        return FRONT % {"port": self.fixed_port, "backend": self.backend_port, "keepalive": "",
                        "location": "", "listen": "", **self.options}


class NginxKept(NginxFront):
    options = KEEPALIVE


class NginxRetries(NginxFront):
    """Every other attempt fails, and is made again."""
    workers = 1

    def configure(self, directory):
        self.more_ports = [free_port()]
        return RETRIES % {"port": self.fixed_port, "backend": self.backend_port,
                          "failing": self.more_ports[0]}


class NginxHttp2Front(NginxFront):
    options = {**KEEPALIVE, "listen": "http2"}


FRONTS = {"haproxy": servers.Haproxy, "nginx": NginxFront, "nginx keep-alive": NginxKept}
HTTP2_FRONTS = {"haproxy": servers.Haproxy, "nginx": NginxHttp2Front}


class Running:
    """A proxy that is traced, and what is known of its requests."""

    def __init__(self, trace, front, backend):
        self.trace, self.front, self.backend = trace, front, backend

    def settle(self, *options):
        """From the start of a trace it takes a moment until all that was in progress must be over."""
        def is_told():
            self.load(1, 1, *options, self.front.url + "/first")
            return '"forward"' in self.trace.stdout
        wait_for(is_told, "a request that is forwarded", timeout=20, pause=0.3)

    def load(self, requests, connections, *options):
        """Asks with h2load; each request must be answered."""
        done = subprocess.run(["h2load", *options, "-n", str(requests), "-c", str(connections)],
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        assert f" {requests} succeeded" in done.stdout, done.stdout + done.stderr

    def ask_each(self, connections, each):
        """So many connections at once, kept, each of so many requests; no two have the same path."""
        answers = []

        def ask(number):
            connection = http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=30)
            for n in range(each):
                path = f"/items/{number}/{n}?of={n % 7}"
                connection.request("GET", path, headers={"User-Agent": "test/1"})
                answers.append((path, connection.getresponse().read().decode()))
            connection.close()
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == connections * each
        assert all(path.split("?")[0] == answer for path, answer in answers)

    def stop(self):
        """Returns what it sent and what it received, after the first ones, by what was answered."""
        self.trace.stop()
        spans = [s for s in self.trace.spans if "/first" not in str(s["attributes"])]
        sent = [s for s in of_kind(spans, "CLIENT")
                if s["attributes"]["network.peer.port"] == self.backend.port]
        received = {s["spanId"]: s for s in of_kind(spans, "SERVER")
                    if s["attributes"]["server.port"] == self.front.port}
        assert self.trace.account.lost == 0
        assert len(sent) == len(received)
        return sent, received


@pytest.fixture
def running(tmp_path, start, tracing):
    def run(front, *options):
        backend = start(Backend(tmp_path))
        front = start(front(tmp_path, backend.port))
        ports = [front.port, backend.port, *getattr(front, "more_ports", [])]
        trace = tracing("-n", front.service, *itertools.chain(*(("--port", p) for p in ports)),
                        env=CAPTURE)
        running = Running(trace, front, backend)
        running.settle(*options)
        return running
    return run


def uris(tmp_path, front, count):
    path = tmp_path / "uris"
    path.write_text("".join(f"{front.url}/items/{n}?of={n % 7}\n" for n in range(count)))
    return f"-i{path}"


def count_right(sent, received):
    """How many have a parent; each must be the right one."""
    right = 0
    for span in sent:
        method = span["attributes"]["sonde.parent.method"]
        assert method in ("forward", "ambiguous", "none")
        if method != "forward":
            continue
        parent = received[span["parentSpanId"]]
        assert parent["attributes"][ANSWERED] == span["attributes"][ANSWERED], (span, parent)
        assert parent["traceId"] == span["traceId"]
        right += 1
    assert len({s["attributes"][ANSWERED][0] for s in sent}) == len(sent)
    return right


@pytest.mark.parametrize("connections", [1, 64])
@pytest.mark.parametrize("front", FRONTS)
def test_each_its_own(running, front, connections):
    """Each request has a path of its own."""
    it = running(FRONTS[front], "--h1")
    it.ask_each(connections, 2048 // connections)
    sent, received = it.stop()
    assert len(sent) == 2048
    assert count_right(sent, received) == 2048


@pytest.mark.parametrize("front", HTTP2_FRONTS)
def test_http2_in_front(tmp_path, running, front):
    """Many streams of a connection in front, HTTP/1.1 behind."""
    it = running(HTTP2_FRONTS[front])
    it.load(2000, 1, "-m32", uris(tmp_path, it.front, 2000))
    sent, received = it.stop()
    assert len(sent) == 2000
    assert {s["attributes"]["network.protocol.version"] for s in received.values()} == {"2"}
    assert count_right(sent, received) == 2000


@pytest.mark.parametrize("connections", [1, 64])
@pytest.mark.parametrize("front", FRONTS)
def test_all_the_same(running, front, connections):
    """Requests that nothing tells apart: one at a time is certain; of several at once, what is not certain
    has no parent, and none has a wrong one."""
    it = running(FRONTS[front], "--h1")
    it.load(3000, connections, "--h1", it.front.url + "/same")
    sent, received = it.stop()
    right = count_right(sent, received)
    assert len(sent) == 3000
    assert connections > 1 or right == 3000
    for span in sent:
        if span["attributes"]["sonde.parent.method"] == "ambiguous":
            assert span["attributes"]["sonde.parent.candidates"] > 1


def test_retry(running):
    """What another server has refused is the same request's child."""
    it = running(NginxRetries, "--h1")
    it.ask_each(1, 200)
    it.trace.stop()
    spans = [s for s in it.trace.spans if "/items" in str(s["attributes"])]
    received = {s["spanId"]: s["attributes"]["url.path"] for s in of_kind(spans, "SERVER")
                if s["attributes"]["server.port"] == it.front.port}
    attempts = [s for s in of_kind(spans, "CLIENT")
                if s["attributes"]["network.peer.port"] != it.front.port]
    refused = [s for s in attempts if s["attributes"]["http.response.status_code"] == 503]
    assert len(received) == 200 and len(refused) > 50 and len(attempts) == 200 + len(refused)
    for span in attempts:
        assert span["attributes"]["sonde.parent.method"] == "forward"
        assert received[span["parentSpanId"]] in span["attributes"]["url.full"]

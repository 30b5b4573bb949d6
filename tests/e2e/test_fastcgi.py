# SPDX-License-Identifier: Apache-2.0
"""FastCGI between nginx and PHP-FPM, as Debian has them: what the client did is what both ends of the
connections between the two say."""
import collections
import concurrent.futures
import glob
import http.client
import json
import pathlib
import shutil
import socket
import urllib.parse
import urllib.request

import pytest

import clients
import servers
from checks import check_inside, of_kind, paired, redacted
from clients import step
from net import accepts, free_port
from traced import wait_for

POOL = """
[global]
daemonize = no
error_log = %(dir)s/fpm.log
[www]
user = nobody
group = nogroup
listen = %(listen)s
listen.mode = 0666
pm = static
pm.max_children = 20
"""
SITE = """
    upstream php { server %(listen)s; %(keepalive)s }
    server {
        listen 127.0.0.1:%(port)d;
        location / {
            include /etc/nginx/fastcgi_params;
            fastcgi_param HTTP_HOST $http_host;  # Debian's has no port
            fastcgi_param SCRIPT_FILENAME %(dir)s/front.php;
            fastcgi_pass php;
            fastcgi_keep_conn %(keep)s;
        }
    }
"""
PLAN = [
    (step(path="/items/41"), "/items/{id}"),
    (step(path="/items/1234567?token=secret&flag&empty="), "/items/{id}"),
    (step(path="/missing"), "/missing"),
    (step(path="/fail"), "/fail"),
    (step("POST", "/echo", 1000), "/echo"),
    (step("POST", "/echo", 100_000), "/echo"),
    (step("HEAD", "/items/41"), "/items/{id}"),
    (step(path="/empty"), "/empty"),
    (step(path="/log"), "/log"),
    (step(path="/cookies"), "/cookies"),
    (step(path="/pieces"), "/pieces"),
    (step(path="/big"), "/big"),
    (step(path="/items/7"), "/items/{id}"),
]
LONG = ("/pieces", "/big")
ROOMY = {"SONDE_CAPTURE_RING_SIZE": "64MiB"}  # some 30 MB come within a moment


class PhpFpm(servers.Server):
    """Listens on .listen, which is a path or a port of 127.0.0.1, as nginx wants to have it named."""
    tells_port = False

    def __init__(self, tmp_path, unix):
        self.directory = tmp_path / "php"
        self.path = self.directory / "php.sock"
        self.unix, self.fixed_port = unix, free_port()
        self.listen = f"unix:{self.path}" if unix else f"127.0.0.1:{self.fixed_port}"
        super().__init__(tmp_path)

    def make_command(self, tmp_path):
        self.directory.mkdir()
        servers.open_up(self.directory)
        shutil.copy(servers.WORKLOADS / "front.php", self.directory)
        (self.directory / "pool.conf").write_text(POOL % {
            "dir": self.directory, "listen": self.listen.removeprefix("unix:")})
        (program,) = glob.glob("/usr/sbin/php-fpm?*")
        self.service = pathlib.Path(program).name
        return [program, "--nodaemonize", "--fpm-config", str(self.directory / "pool.conf")]

    def answers(self):
        if not self.unix:
            return accepts(self.fixed_port)
        with socket.socket(socket.AF_UNIX) as probe:
            return self.path.exists() and probe.connect_ex(str(self.path)) == 0

    def wait_ready(self):
        wait_for(lambda: self.answers() or self.process.poll() is not None, "PHP-FPM to listen")
        assert self.process.poll() is None, self.log.read_text()
        self.port = 0 if self.unix else self.fixed_port


class Site(servers.BareNginx):
    def __init__(self, tmp_path, php, keep):
        self.php, self.keep = php, keep
        super().__init__(tmp_path)

    def configure(self, directory):
        return SITE % {"dir": self.php.directory, "port": self.fixed_port,
                       "listen": self.php.listen, "keep": "on" if self.keep else "off",
                       "keepalive": "keepalive 4;" if self.keep else ""}


MODES = ["tcp kept", "unix kept", "tcp closed", "unix closed"]
two_modes = pytest.mark.parametrize("mode", MODES[1:3], indirect=True)


@pytest.fixture(params=MODES)
def mode(request):
    """How nginx reaches PHP-FPM, and whether it keeps the connections."""
    return request.param


@pytest.fixture
def php(tmp_path, start, mode):
    return start(PhpFpm(tmp_path, "unix" in mode))


@pytest.fixture
def site(tmp_path, start, php, mode):
    return start(Site(tmp_path, php, "kept" in mode))


@pytest.fixture
def both(tracing, site, php):
    """Traces nginx and PHP-FPM, and no client of theirs."""
    return lambda: tracing("--pid", site.pid, "--pid", php.pid, env=ROOMY)


def fastcgi_pairs(trace):
    """Both ends of what passed by FastCGI, in the order of the requests."""
    spans = [s for s in trace.spans
             if s["attributes"].get("network.protocol.name") == "fastcgi"]
    pairs = paired(spans)
    for sent, served in pairs:
        assert served["traceId"] == sent["traceId"]
        assert served["attributes"]["sonde.parent.method"] == "socket"
    check_inside(pairs)
    return pairs


def check_parents(trace, pairs):
    """What nginx asks PHP-FPM is the child of what it was asked itself, or of nothing."""
    asked = {s["spanId"]: s for s in trace.spans}
    found = [(sent, asked[sent["parentSpanId"]]) for sent, _ in pairs if sent["parentSpanId"]]
    for sent, parent in found:
        assert parent["kind"] == "SERVER" and parent["resource"]["service.name"] == "nginx"
        assert urllib.parse.urlsplit(sent["attributes"]["url.full"]).path == \
            parent["attributes"]["url.path"]
        assert parent["startTimeUnixNano"] <= sent["startTimeUnixNano"]
    return len(found)


def check_socket(pair, site, php):
    sent, served = (span["attributes"] for span in pair)
    if php.unix:
        assert sent["server.address"] == sent["network.peer.address"] == str(php.path)
        assert "server.port" not in sent and "network.peer.port" not in sent
    else:
        assert (sent["server.address"], sent["server.port"]) == ("127.0.0.1", php.port)
        assert (sent["network.peer.address"],
                sent["network.peer.port"]) == ("127.0.0.1", php.port)
    assert (served["server.address"], served["server.port"]) == ("127.0.0.1", site.port)
    assert served["client.address"] == "127.0.0.1" and served["client.port"] != php.port
    for a in (sent, served):
        assert a["network.transport"] == ("unix" if php.unix else "tcp")


def check_pair(pair, request, route, truth, site):
    """Both ends of a request against what its client knows."""
    sent, served = pair
    path, _, query = request["path"].partition("?")
    query = redacted(query)
    assert sent["name"] == request["method"]
    assert served["name"] == f"{request['method']} {route}"
    assert served["attributes"]["http.route"] == route
    assert sent["attributes"]["url.full"] == site.url + path + (f"?{query}" if query else "")
    assert served["attributes"]["url.path"] == path
    assert served["attributes"].get("url.query", "") == query
    assert served["attributes"]["url.scheme"] == "http"
    for span in pair:
        a = span["attributes"]
        assert a["http.request.method"] == request["method"]
        assert a["http.response.status_code"] == truth["status"], span
        failed = truth["status"] >= (400 if span is sent else 500)
        assert span["status"] == ("ERROR" if failed else "UNSET"), span
        assert a.get("error.type") == (str(truth["status"]) if failed else None), span
        assert a.get("http.request.body.size", 0) == truth["request_bytes"]
        # Until the kernel knows where records end it may miss some of a long one: then it has no size.
        unknown = truth["response_bytes"] if path in LONG else None
        assert a.get("http.response.body.size", unknown) == truth["response_bytes"]
        assert "secret" not in json.dumps(span)


def check_plan(trace, plan, truth, site, php):
    pairs = fastcgi_pairs(trace)
    assert len(pairs) == len(plan), trace.stderr
    for pair, (request, route), true in zip(pairs, plan, truth):
        check_pair(pair, request, route, true, site)
        check_socket(pair, site, php)
    assert trace.account.lost == 0, trace.account
    return pairs


def test_spans_are_what_the_client_did(both, site, php):
    trace = both()
    plan = PLAN * 4
    truth = clients.requests_client(site.url, [request for request, _ in plan])
    trace.stop()
    assert [t["status"] for t in truth[:len(PLAN)]] == [
        200, 200, 404, 500, 200, 200, 200, 204, 200, 200, 200, 200, 200]
    pairs = check_plan(trace, plan, truth, site, php)
    assert len(of_kind(trace.spans, "SERVER")) == 2 * len(plan)  # nginx's own, too
    print(check_parents(trace, pairs), "PARENTS of", len(pairs))
    assert {served["resource"]["service.name"] for _, served in pairs} == {php.service}
    assert {sent["resource"]["service.name"] for sent, _ in pairs} == {"nginx"}


@two_modes
def test_attach_in_mid_connection(both, site, php):
    clients.requests_client(site.url, [request for request, _ in PLAN])
    trace = both()
    truth = clients.requests_client(site.url, [request for request, _ in PLAN])
    trace.stop()
    check_plan(trace, PLAN, truth, site, php)


@two_modes
def test_at_once(both, site, php):
    """Sixteen clients, each request of theirs on a connection of its own or on one that was kept."""
    trace = both()

    def ask(client):
        for number in range(25):
            path = "/missing" if number % 5 == 4 else f"/items/{client}/{number}"
            try:
                urllib.request.urlopen(site.url + path, timeout=20).read()
            except urllib.error.HTTPError as error:
                assert error.code == 404
            yield path

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = collections.Counter(path for done in pool.map(lambda c: list(ask(c)), range(16))
                                    for path in done)
    trace.stop()
    pairs = fastcgi_pairs(trace)
    assert trace.account.lost == 0, trace.account
    assert len(pairs) == asked.total()
    print(check_parents(trace, pairs), "PARENTS of", len(pairs))
    for end in zip(*pairs):
        told = collections.Counter(
            s["attributes"].get("url.path") or s["attributes"]["url.full"].removeprefix(site.url)
            for s in end)
        assert told == asked
        for span in end:
            a = span["attributes"]
            missing = "/missing" in (a.get("url.full") or a["url.path"])
            assert a["http.response.status_code"] == (404 if missing else 200)


@two_modes
def test_context_of_a_header(both, site, php):
    trace = both()
    clients.requests_client(site.url, [step(
        path="/items/1", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
    trace.stop()
    spans = trace.spans
    assert len(spans) == 3
    assert {s["traceId"] for s in spans} == {"4bf92f3577b34da6a3ce929d0e0e4736"}


@two_modes
def test_worker_that_dies(both, site, php):
    trace = both()
    clients.requests_client(site.url, [step(path="/items/1")])
    with pytest.raises(http.client.IncompleteRead):
        urllib.request.urlopen(site.url + "/die", timeout=20).read(10**6 + 1)
    clients.requests_client(site.url, [step(path="/items/2")])
    trace.stop()
    told = {s["kind"]: (s["status"], s["attributes"]["error.type"]) for s in trace.spans
            if "/die" in json.dumps(s["attributes"])
            and s["attributes"].get("network.protocol.name") == "fastcgi"}
    assert told["SERVER"] == ("ERROR", "connection_closed")
    assert told["CLIENT"] in (("ERROR", "connection_closed"), ("ERROR", "ECONNRESET"))

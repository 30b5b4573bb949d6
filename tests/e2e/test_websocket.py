# SPDX-License-Identifier: Apache-2.0
"""WebSocket connections: one span for each, with what passed, beside the span of their upgrade."""
import json
import subprocess
import sys

import pytest

from checks import check_inside, duration, of_kind
from servers import WORKLOADS, BareNginx, Server
from traced import environment

PROXY = """
    server {
        listen 127.0.0.1:%(port)d;
        location / {
            proxy_pass http://127.0.0.1:%(to)d;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
    }
"""


class WebSocketServer(Server):
    command = [sys.executable, str(WORKLOADS / "websocket_server.py")]
    service = "websocket_server"


class WebSocketProxy(BareNginx):
    def __init__(self, tmp_path, to):
        self.to = to
        super().__init__(tmp_path)

    def configure(self, directory):
        return PROXY % {"port": self.fixed_port, "to": self.to}


def talk(port, plan, path="/chat/7", compression=""):
    done = subprocess.run([sys.executable, str(WORKLOADS / "websocket_client.py"),
                           f"ws://127.0.0.1:{port}{path}", compression, json.dumps(plan)],
                          capture_output=True, text=True, timeout=60, env=environment(),
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sessions(spans, kind):
    return [s for s in of_kind(spans, kind) if s["name"].startswith("WEBSOCKET")]


def counts(span):
    a = span["attributes"]
    return [[a[f"websocket.{who}.message_count"], a[f"websocket.{who}.message_bytes"]]
            for who in ("client", "server")]


def check_session(spans, truth, sizes=True):
    """Those of one connection: the two of the upgrade and the two of what came of it."""
    client, server = sessions(spans, "CLIENT")[0], sessions(spans, "SERVER")[0]
    upgrade, upgraded = (next(s for s in of_kind(spans, kind) if s["name"].startswith("GET"))
                         for kind in ("CLIENT", "SERVER"))
    assert len(spans) == 4, [s["name"] for s in spans]
    assert upgrade["attributes"]["http.response.status_code"] == 101
    assert upgraded["status"] == upgrade["status"] == "UNSET"
    assert client["name"] == "WEBSOCKET"
    assert server["name"] == "WEBSOCKET /chat/{id}"
    assert server["attributes"]["http.route"] == "/chat/{id}"
    assert server["attributes"]["url.path"] == "/chat/7"
    assert server["parentSpanId"] == client["spanId"]
    check_inside([(client, server)])
    for span in (client, server):
        assert span["traceId"] == upgrade["traceId"]
        passed = [truth["sent"], truth["received"]]
        if sizes:
            assert counts(span) == passed
        else:
            assert [c[0] for c in counts(span)] == [c[0] for c in passed]
        code = truth["code"]
        assert span["attributes"]["websocket.close_code"] == code
        assert span["attributes"].get("error.type") == \
            (None if code in (1000, 1001) else str(code))
        assert "websocket.incomplete" not in span["attributes"]
    return client, server


@pytest.fixture
def websocket_server(tmp_path, start):
    return start(WebSocketServer(tmp_path))


@pytest.mark.parametrize("plan", [
    [["hello", 1], ["x" * 200, 1], ["y" * 70000, 1], ["3 of 1000", 3]],
    [],
    [["a", 1]] * 300,
    [["close 1011", 1]],
    [["a", 1], 1001],
    [["a", 1], 4000],
], ids=["sizes", "nothing", "many", "failing", "going-away", "own-code"])
def test_counts(tracing, websocket_server, plan):
    trace = tracing("--port", websocket_server.port)
    truth = talk(websocket_server.port, plan)
    trace.stop()
    client, _ = check_session(trace.spans, truth)
    assert duration(client) > 0
    assert trace.account.lost == 0, trace.stderr


def test_compressed(tracing, websocket_server):
    """The messages of permessage-deflate are counted as they are."""
    trace = tracing("--port", websocket_server.port)
    truth = talk(websocket_server.port, [["z" * 5000, 1]] * 5, compression="deflate")
    trace.stop()
    check_session(trace.spans, truth, sizes=False)


def test_proxy(tracing, tmp_path, start, websocket_server):
    """Through nginx it is two connections, and counts agree on all four ends."""
    proxy = start(WebSocketProxy(tmp_path, websocket_server.port))
    trace = tracing("--port", proxy.port, "--port", websocket_server.port)
    truth = talk(proxy.port, [["hello", 1], 0.3, *[["4 of 3000", 4]] * 20, ["b", 1]])
    trace.stop()
    ends = sessions(trace.spans, "CLIENT") + sessions(trace.spans, "SERVER")
    assert len(ends) == 4
    for span in ends:
        assert counts(span) == [truth["sent"], truth["received"]], span
        assert span["attributes"]["websocket.close_code"] == 1000
        assert "websocket.incomplete" not in span["attributes"]


def test_bulk(tracing, websocket_server):
    """What is too much to be copied is not counted, and the span says so."""
    trace = tracing("--port", websocket_server.port)
    truth = talk(websocket_server.port, [["2000 of 3000", 2000], ["b", 1]])
    trace.stop()
    ends = sessions(trace.spans, "CLIENT") + sessions(trace.spans, "SERVER")
    assert len(ends) == 2
    for span in ends:
        (sent, received), truly = counts(span), truth["received"]
        assert sent == truth["sent"]
        assert 0 < received[0] < truly[0] and 0 < received[1] < truly[1]
        assert span["attributes"]["websocket.incomplete"]
        assert span["attributes"]["websocket.close_code"] == 1000

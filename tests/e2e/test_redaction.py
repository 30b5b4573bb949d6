# SPDX-License-Identifier: Apache-2.0
"""Secrets planted wherever a program may have them are in nothing that leaves sonde."""
import base64
import contextlib
import json
import signal
import subprocess
import urllib.parse

import servers
from traced import Agent, Trace, environment, read_spans, run, wait_for

CARD, AMEX = "4111111111111111", "378282246310005"
GROUPED = "5555 5555 5555 4444"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.dGhlc2lnbmF0dXJl"
BEARER = "mF_9.B5f-4.1JqM"
MAIL = "jane.doe+shop@mail.example.com"
BASIC = base64.b64encode(b"jane:correct-horse").decode()
PLANTED = {
    "card": CARD, "amex": AMEX, "grouped": GROUPED, "jwt": JWT, "bearer": BEARER, "mail": MAIL,
    "basic": BASIC, "password": "correct-horse", "session": "sid-0a1b2c3d4e5f", "key": "key-5e6f7a8b",
    "path session": "PATH0A1B2C", "query": "query-value-9d8c", "body": "body-secret-7b6a",
    "mail 2": "joe@example.org", "argument": "argument-secret-1f2e", "database": "database-secret-3c4d",
}
REQUEST_HEADERS = ["authorization", "cookie", "proxy-authorization", "x-api-key", "referer",
                   "x-contact", "x-note"]
RESPONSE_HEADERS = ["set-cookie", "location", "x-card", "x-token", "server"]
CAPTURE = {"http": {"capture_request_headers": REQUEST_HEADERS,
                    "capture_response_headers": RESPONSE_HEADERS}}
OPEN = {"SONDE_REDACTION_ENABLED": "false", "SONDE_HTTP_QUERY_VALUES": "keep"}


def quote_all(text):
    return "".join(f"%{b:02X}" for b in text.encode())


def forms(secret):
    """The secret as anything on the way may have written it."""
    quoted = urllib.parse.quote(secret, safe="")
    return {secret, quoted, quoted.lower(), urllib.parse.quote_plus(secret), quote_all(secret),
            quote_all(secret).lower(), urllib.parse.quote(quoted, safe=""),
            base64.b64encode(secret.encode()).decode().rstrip("="),
            json.dumps(secret)[1:-1], secret.replace(" ", "-"), secret.replace(" ", "")}


def leaks(outputs):
    """Which planted secret is in which output."""
    return [(where, name) for where, text in outputs.items() for name, secret in PLANTED.items()
            if any(form in text for form in forms(secret))]


class Proxy(servers.Nginx):
    """nginx in front of the server at that port."""

    def __init__(self, tmp_path, backend):
        self.backend = backend
        super().__init__(tmp_path)

    def make_command(self, tmp_path):
        command = super().make_command(tmp_path)
        with open(command[4], "r+", encoding="utf8") as file:
            text = file.read().replace(
                "location /items/", f"location /mirror {{ proxy_pass {self.backend}; }}\n"
                "        location /items/", 1)
            file.seek(0)
            file.write(text)
        return command


def start_servers(tmp_path, start):
    """A server whose environment and title hold secrets, and nginx before it."""
    attributes = {"customer.mail": MAIL, "card.number": GROUPED,
                  "db.url": f"postgres://app:{PLANTED['database']}@db.example/x"}
    text = ",".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in attributes.items())
    backend = start(servers.PythonServer(tmp_path, env={"OTEL_RESOURCE_ATTRIBUTES": text}))
    return backend, start(Proxy(tmp_path, backend.url))


def curl(*args):
    """A curl whose title holds secrets: all of it is its first argument, and so its command."""
    title = f"/usr/bin/curl --password {PLANTED['argument']} --user={MAIL}"
    done = subprocess.run([title, "-sS", "-o", "/dev/null", *args], executable="/usr/bin/curl",
                          capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                          env=environment())
    assert done.returncode == 0, done.stderr


def plant(base):
    """Requests with every secret in every place; returns how many."""
    host = base.removeprefix("http://")
    quoted = urllib.parse.quote
    paths = [
        f"/mirror/{CARD}/{AMEX}", f"/mirror/{quoted(GROUPED)}/{GROUPED.replace(' ', '+')}",
        f"/mirror/{JWT}", f"/mirror/{quote_all(JWT)}", f"/mirror/Bearer%20{BEARER}",
        f"/mirror/{MAIL}", f"/mirror/{quoted(MAIL, safe='')}", f"/mirror/{quote_all(CARD)}",
        f"/mirror/{quoted(quoted(MAIL, safe=''), safe='')}", f"/mirror/basic%20{BASIC}",
        f"/mirror/cart;jsessionid={PLANTED['path session']}?x=1",
        f"/mirror?token={PLANTED['query']}&mail={quoted(MAIL)}&{PLANTED['query']}",
    ]
    for path in paths:
        curl(base + path)
    curl(f"http://jane:correct-horse@{host}/mirror/basic")
    headers = {
        "Authorization": f"Bearer {BEARER}", "Cookie": f"session={PLANTED['session']}; a=b",
        "Proxy-Authorization": f"Basic {BASIC}", "X-Api-Key": PLANTED["key"],
        "Referer": f"https://jane:correct-horse@shop.example/cart?id={PLANTED['query']}",
        "X-Contact": f"Jane <{MAIL}>, {PLANTED['mail 2']}",
        "X-Note": f"paid with {GROUPED} and {CARD}, Bearer {BEARER}, {JWT}",
        "X-Mirror-Set-Cookie": f"session={PLANTED['session']}; HttpOnly",
        "X-Mirror-Location": f"/next?key={PLANTED['key']}", "X-Mirror-X-Card": GROUPED,
        "X-Mirror-X-Token": JWT, "User-Agent": f"client/1.0 ({MAIL})",
        "tracestate": f"vendor={CARD}", "traceparent": f"00-{'4b' * 16}-{'f0' * 8}-01",
    }
    given = [arg for name, value in headers.items() for arg in ("-H", f"{name}: {value}")]
    curl(*given, base + "/mirror/headers")
    curl(*given, "--data", f"card={CARD}&secret={PLANTED['body']}", base + "/mirror/body")
    return len(paths) + 3


def test_nothing_planted_leaves(tmp_path, collector, start):
    """By the Collector, files, standard output, logs and metrics; also of a recording. Without
    redaction all of it is there, so that this test would see it."""
    backend, proxy = start_servers(tmp_path, start)
    ports = ["--port", backend.port, "--port", proxy.port]
    spans_file, record = tmp_path / "spans.jsonl", tmp_path / "ring"
    config = {"targets": {"ports": [backend.port, proxy.port]}, "log": {"level": "debug"}, **CAPTURE,
              "export": {"endpoint": collector.url, "file": str(tmp_path / "agent.jsonl")}}
    capture = {"SONDE_HTTP_CAPTURE_REQUEST_HEADERS": ",".join(REQUEST_HEADERS),
               "SONDE_HTTP_CAPTURE_RESPONSE_HEADERS": ",".join(RESPONSE_HEADERS)}
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(Agent(tmp_path, config))
        lines = stack.enter_context(Trace(tmp_path, *ports, "--otlp-file", spans_file, "--record",
                                          record, "--log-level", "debug", env=capture))
        view = stack.enter_context(Trace(tmp_path, *ports, env=capture, json_lines=False))
        bare = stack.enter_context(Trace(tmp_path, *ports, env={**capture, **OPEN}))
        made = plant(proxy.url)
        for trace in (lines, view, bare):
            trace.stop()
        metrics = agent.get("/metrics")
        agent.stop()
    replayed = run("replay", "--json", record, env=capture)
    outputs = {
        "collector": collector.file.read_text(), "agent's file": (tmp_path / "agent.jsonl").read_text(),
        "agent's log": agent.log, "metrics": metrics, "file": spans_file.read_text(),
        "json": lines.stdout, "log": lines.stderr, "text": view.stdout, "text's log": view.stderr,
        "replay": replayed.stdout, "replay's log": replayed.stderr,
    }
    assert leaks(outputs) == []
    # curl to nginx, nginx to the server, both ends of each
    assert len(lines.spans) == 4 * made, lines.account
    assert len(replayed.stdout.splitlines()) == 4 * made
    assert len(view.stdout.splitlines()) == 4 * made + 1
    # A recording is what the kernel sent: for its owner only.
    assert record.stat().st_mode & 0o777 == 0o600 and CARD.encode() in record.read_bytes()
    # Unredacted, they are all there but those in any case masked, or never captured.
    hidden = set(PLANTED) - {name for _, name in leaks({"bare": bare.stdout})}
    assert hidden == {"password", "session", "key", "path session", "argument", "body", "database"}
    check_harmless(lines.spans, proxy)


def check_harmless(spans, proxy):
    """What is around the secrets is still there."""
    def attributes(path):
        return next(s["attributes"] for s in spans if s["kind"] == "SERVER" and
                    s["attributes"]["server.port"] == proxy.port and
                    s["attributes"]["url.path"] == path)
    assert attributes("/mirror/REDACTED/REDACTED")["http.response.status_code"] == 200
    assert attributes("/mirror/Bearer%20REDACTED")
    assert attributes("/mirror/cart;jsessionid=REDACTED")["url.query"] == "x=REDACTED"
    of_headers = attributes("/mirror/headers")
    assert of_headers["http.request.header.x-contact"] == ["Jane <REDACTED>, REDACTED"]
    assert of_headers["http.request.header.x-note"] == \
        ["paid with REDACTED and REDACTED, Bearer REDACTED, REDACTED"]
    assert of_headers["http.request.header.referer"] == \
        ["https://REDACTED:REDACTED@shop.example/cart?id=REDACTED"]
    assert of_headers["http.request.header.cookie"] == ["REDACTED"]
    assert of_headers["http.response.header.set-cookie"] == ["REDACTED"]
    assert of_headers["http.response.header.location"][0].endswith("/next?key=REDACTED")
    assert of_headers["http.response.header.server"][0].startswith("nginx")
    assert of_headers["user_agent.original"] == "client/1.0 (REDACTED)"
    client = next(s for s in spans if s["resource"]["process.executable.name"] == "curl")
    assert client["resource"]["process.command"] == \
        "/usr/bin/curl --password REDACTED --user=REDACTED"
    backend = next(s["resource"] for s in spans if "customer.mail" in s["resource"])
    assert backend["customer.mail"] == backend["card.number"] == "REDACTED"
    assert backend["db.url"] == "postgres://REDACTED:REDACTED@db.example/x"


def test_headers_are_captured(tmp_path, tracing, python_server):
    """Only those asked for, all values of one, as arrays; nothing without being asked."""
    env = {"SONDE_HTTP_CAPTURE_REQUEST_HEADERS": "X-Request-Id,accept",
           "SONDE_HTTP_CAPTURE_RESPONSE_HEADERS": "content-length"}
    captured = tracing("--port", python_server.port, env=env)
    plain = tracing("--port", python_server.port)
    curl("-H", "x-request-id: 1", "-H", "X-REQUEST-ID: 2, 3", "-H", "X-Other: x",
         python_server.url + "/small")
    captured.stop()
    plain.stop()
    assert len(captured.spans) == len(plain.spans) == 2
    for span in captured.spans:
        headers = {k: v for k, v in span["attributes"].items() if ".header." in k}
        assert headers == {"http.request.header.x-request-id": ["1", "2, 3"],
                           "http.request.header.accept": ["*/*"],
                           "http.response.header.content-length": ["612"]}
    assert not any(".header." in key for span in plain.spans for key in span["attributes"])


def test_rules(tmp_path, collector, python_server):
    """Delete, mask and hash, as the Collector gets them; other rules after SIGHUP."""
    def config(rules):
        return {"targets": {"ports": [python_server.port]}, "export": {"endpoint": collector.url},
                "redaction": {"rules": rules, "hash_key": "a key of this test"}}
    first = [
        {"attribute": "user_agent.*", "action": "delete"},
        {"attribute": "url.*", "pattern": r"(?<=customer-)\w+", "action": "hash"},
        {"attribute": "url.path", "pattern": "items", "replacement": "things"},
        {"attribute": "client.port", "action": "mask"},
        {"attribute": "host.name", "action": "hash"},
        {"attribute": "process.owner", "pattern": "ro+t", "action": "mask", "replacement": "r"},
    ]
    with Agent(tmp_path, config(first)) as agent:
        for customer in ("jane", "joe", "j%61ne"):
            curl(f"{python_server.url}/items/customer-{customer}")
        collector.wait_spans(6, python_server.port)
        agent.write_config(config([{"attribute": "span.name", "pattern": "GET", "replacement": "got"}]))
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded redaction.rules" in agent.log, "the reload")
        curl(f"{python_server.url}/items/customer-jim")
        spans = collector.wait_spans(8, python_server.port)
        agent.write_config(config([{"attribute": "a", "pattern": "("}]))
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "missing closing parenthesis" in agent.log, "the error to be told")
        metrics = agent.metrics()
        agent.stop()
    assert len(spans) == 8 and metrics["sonde_redacted_total"] >= 8
    before, after = spans[:6], spans[6:]
    before_server = [s for s in before if s["kind"] == "SERVER"]
    paths = [s["attributes"]["url.path"] for s in sorted(before_server,
                                                         key=lambda s: s["startTimeUnixNano"])]
    assert paths[0] == paths[2] != paths[1] and paths[0].startswith("/things/customer-")
    hashed = paths[0].removeprefix("/things/customer-")
    assert len(hashed) == 16 and int(hashed, 16)
    assert sum(hashed in s["attributes"].get("url.full", "") for s in before) == 2
    for span in before:
        assert "user_agent.original" not in span["attributes"]
        assert len(span["resource"]["host.name"]) == 16 and int(span["resource"]["host.name"], 16)
        assert span["resource"]["process.owner"] == "r"
    assert {s["attributes"]["client.port"] for s in before_server} == {"REDACTED"}
    assert {s["name"].split()[0] for s in after} == {"got"}


def test_redact_command(tmp_path, tracing, python_server):
    """What has been redacted stays as it is; the configuration's rules and --explain."""
    trace = tracing("--port", python_server.port)
    curl(f"{python_server.url}/small?a=1", "-H", f"User-Agent: {MAIL}")
    trace.stop()
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"redaction": {"rules": [
        {"attribute": "url.*", "pattern": "small", "replacement": "tiny"},
        {"attribute": "server.*", "action": "delete"}]}}))

    def redact(text, *args):
        done = subprocess.run([trace.command[0], "redact", *args], input=text, capture_output=True,
                              text=True, timeout=20, env=environment())
        assert done.returncode == 0, done.stderr
        return done
    assert redact(trace.stdout).stdout == trace.stdout
    done = redact(trace.stdout, "--config", path, "--explain")
    again = read_spans(done.stdout)
    assert len(again) == 2 and all("server.port" not in s["attributes"] for s in again)
    assert "rule 1 (url.*)" in done.stderr and "4  rule 2 (server.*)" in done.stderr
    assert redact(f"a {MAIL}\n\nb", "--explain").stdout == "a REDACTED\n\nb\n"
    assert redact("/x?a=b\n", "--attribute", "url.full").stdout == "/x?a=REDACTED\n"
    assert redact('{"card": "%s", "n": 1.50}\n' % CARD).stdout == '{"card":"REDACTED","n":1.50}\n'
    assert redact("x" * (1 << 20) + CARD + "\nb").stdout == "REDACTED\nb\n"

# SPDX-License-Identifier: Apache-2.0
"""What must hold for spans, whatever made them."""
import os
import pathlib
import re
import statistics
import urllib.parse

MS = 1_000_000
KNOWN_METHODS = {"GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
                 "QUERY"}


def of_kind(spans, kind):
    return sorted((s for s in spans if s["kind"] == kind), key=lambda s: s["startTimeUnixNano"])


def duration(span):
    return span["endTimeUnixNano"] - span["startTimeUnixNano"]


def check_span(span, method="GET", path=None, status=200, scheme="http", versions=("1.1", "1.0")):
    """One span against the semantic conventions for HTTP."""
    a, side = span["attributes"], span["kind"]
    assert a["http.request.method"] == (method if method in KNOWN_METHODS else "_OTHER")
    if method not in KNOWN_METHODS:
        assert a["http.request.method_original"] == method
    assert a["http.response.status_code"] == status, span
    failed = status >= (400 if side == "CLIENT" else 500)
    assert span["status"] == ("ERROR" if failed else "UNSET"), span
    assert a.get("error.type") == (str(status) if failed else None), span
    assert a["network.protocol.version"] in versions, span
    assert duration(span) > 0, span
    assert len(span["traceId"]) == 32 and int(span["traceId"], 16)
    assert len(span["spanId"]) == 16 and int(span["spanId"], 16)
    if path is None:
        return
    bare, _, query = path.partition("?")
    if side == "SERVER":
        assert a["url.path"] == bare and a["url.scheme"] == scheme
        assert a.get("url.query", "") == redacted(query)
    else:
        url = urllib.parse.urlsplit(a["url.full"])
        assert (url.scheme, url.path, url.query) == (scheme, bare, redacted(query))
        assert url.port in (None, a["server.port"])


def redacted(query):
    """The query string with all values hidden; keys without a value have nothing to hide."""
    return re.sub("=[^&]+", "=REDACTED", query)


def check_name(span, method, route):
    """A server span is named by its route, a client span by its method."""
    word = method if method in KNOWN_METHODS else "HTTP"
    if span["kind"] == "CLIENT":
        assert span["name"] == word
    else:
        assert span["name"] == f"{word} {route}", span["name"]
        assert span["attributes"]["http.route"] == route


def stolen_ns():
    """What the host has taken from this machine's processors so far: no clock of a thread counts it."""
    ticks = int(pathlib.Path("/proc/stat").read_text().split()[8])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def paired(spans):
    """Pairs of (client span, server span) by parent; fails if one has no other."""
    clients = {s["spanId"]: s for s in spans if s["kind"] == "CLIENT"}
    servers = of_kind(spans, "SERVER")
    assert len(clients) == len(servers), (len(clients), len(servers))
    pairs = []
    for server in servers:
        assert server["parentSpanId"] in clients, f"no client span is the parent of {server}"
        pairs.append((clients.pop(server["parentSpanId"]), server))
    return pairs


def check_socket_parents(spans):
    """Client spans are roots, and each is the parent of the server span at the other end."""
    pairs = paired(spans)
    for client, server in pairs:
        assert client["parentSpanId"] == "", client
        assert server["traceId"] == client["traceId"]
        assert server["attributes"]["sonde.parent.method"] == "socket"
    assert len({client["traceId"] for client, _ in pairs}) == len(pairs)
    return pairs


def check_inside(pairs):
    """Server spans lie within their client spans."""
    for client, server in pairs:
        assert client["startTimeUnixNano"] <= server["startTimeUnixNano"], (client, server)
        assert server["endTimeUnixNano"] <= client["endTimeUnixNano"], (client, server)


def check_wrk(trace, counted):
    """As many spans at each end as wrk counted responses, on eight connections; what is missing is counted."""
    account, spans = trace.account, trace.spans
    sent, served = of_kind(spans, "CLIENT"), of_kind(spans, "SERVER")
    assert len(sent) + len(served) == len(spans) == account.spans - account.untold
    assert account.lost <= 2 * 8, account  # what was under way when wrk hung up
    missing = account.lost + account.untold
    for side in (sent, served):
        assert counted <= len(side) + missing and len(side) <= counted + 8
    parents = {s["spanId"]: s["traceId"] for s in sent}
    joined = sum(parents.get(s["parentSpanId"]) == s["traceId"] for s in served)
    assert joined >= counted - missing


TLS_CLOCK_MOST = 3 * MS  # between a client's clock and its socket lies the work of its library, too


def check_clock(clients, truth, most=1 * MS, worst=100 * MS):
    """Client spans begin and end within 1 ms of what the client's own clock says, or half of what its
    requests take where the machine is slow. One of many may be late on a busy machine, so that is
    asked of the median; at most one may be far off."""
    most = max(most, statistics.median(t["end_ns"] - t["start_ns"] for t in truth) / 2)
    begun = [abs(s["startTimeUnixNano"] - t["start_ns"]) for s, t in zip(clients, truth)]
    ended = [abs(s["endTimeUnixNano"] - t["end_ns"]) for s, t in zip(clients, truth)]
    for differences in (begun, ended):
        *most_of_them, _ = sorted(differences)
        assert max(most_of_them) < worst, f"a span is {max(most_of_them) / MS:.1f} ms off"
        assert statistics.median(differences) < most, \
            f"spans are {statistics.median(differences) / MS:.2f} ms off in the median"
    slack = 1 * MS  # node ties its monotonic clock to the wall's once, at its start, not exactly
    for span, true in zip(clients, truth):
        assert true["start_ns"] - slack <= span["startTimeUnixNano"], (span, true)
        assert span["endTimeUnixNano"] <= true["end_ns"] + slack, (span, true)


def check_nothing_else(trace, port):
    """Nothing was lost, and no connection of that port was given up as one that nobody reads."""
    account = trace.account
    assert account.lost == 0, account
    assert port not in [row["port"] for row in account.get("unknown", [])], account

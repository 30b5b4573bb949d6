# SPDX-License-Identifier: Apache-2.0
"""What spans must be there for what a client of a broker did, at both ends of its connections."""
import collections

from traced import Agent, lost

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"

# What one end knows alone, or tells from its point of view.
OWN = ("messaging.operation.type", "network.peer.port", "network.peer.address",
       "sonde.parent.method")


def called(*names, times=1):
    """Kinds and names of the spans of calls."""
    return collections.Counter({(kind, name): times * names.count(name) for name in names
                                for kind in ("CLIENT", "SERVER")})


def published(*names, times=1):
    return collections.Counter({(kind, name): times * names.count(name) for name in names
                                for kind in ("PRODUCER", "SERVER")})


def delivered(*names, times=1):
    return collections.Counter({(kind, name): times * names.count(name) for name in names
                                for kind in ("PRODUCER", "CONSUMER")})


def told(spans):
    return collections.Counter((s["kind"], s["name"]) for s in spans)


def named(spans, name, kind=None):
    """In the order in which they began; they are told as they end, and some are held a while."""
    return sorted((s for s in spans if s["name"] == name and kind in (None, s["kind"])),
                  key=lambda s: s["startTimeUnixNano"])


def check_told(trace, *expected):
    """Stops the trace: nothing is lost, and these are the spans, no more and no less. Returns them."""
    trace.stop()
    assert trace.account.lost == 0, trace.account
    total = sum(expected, collections.Counter())
    assert told(trace.spans) == total, (told(trace.spans) - total, total - told(trace.spans),
                                        trace.account)
    return trace.spans


def check_ends(spans):
    """Each span is one end of a pair: a root with its child at the other end, which tells the same,
    or both have the parent that the message names."""
    children, ids = {}, {s["spanId"]: s for s in spans}
    outside = collections.Counter()
    for span in spans:
        if span["parentSpanId"] in ids:
            assert span["attributes"]["sonde.parent.method"] == "socket"
            assert span["parentSpanId"] not in children
            children[span["parentSpanId"]] = span
        elif span["parentSpanId"]:
            assert (span["traceId"], span["parentSpanId"]) == (TRACE, PARENT), span
            assert span["attributes"]["sonde.parent.method"] == "header"
            outside[span["name"]] += 1
    alone = [s for s in spans if not s["parentSpanId"] and s["spanId"] not in children]
    check_late(alone)
    for root in spans:
        if root["parentSpanId"] or root in alone:
            continue
        child = children[root["spanId"]]
        assert (child["name"], child["traceId"]) == (root["name"], root["traceId"])
        for key in (root["attributes"].keys() | child["attributes"].keys()) - set(OWN):
            if key.startswith("sonde.time."):
                continue
            assert root["attributes"].get(key) == child["attributes"].get(key), (key, root, child)
        assert child["status"] == root["status"]
    assert all(count % 2 == 0 for count in outside.values()), outside


def check_late(spans):
    """On a busy machine a receiver may read so late that nobody waits for its end any longer."""
    waiting = collections.defaultdict(collections.deque)
    for span in sorted(spans, key=lambda s: s["startTimeUnixNano"]):
        calls = span["kind"] in ("PRODUCER", "CLIENT")
        if not (others := waiting[span["name"], not calls]):
            waiting[span["name"], calls].append(span)
            continue
        sent = others.popleft()
        assert span["startTimeUnixNano"] - sent["startTimeUnixNano"] > 40_000_000, (sent, span)
    assert not any(waiting.values()), f"no other end of {waiting}"


class CountingAgent(Agent):
    """Counts what a broker and its clients say. What does not fit the ring is not counted where nothing
    numbers it, so there is room."""

    def __init__(self, tmp_path, port):
        super().__init__(tmp_path, {"targets": {"ports": [port]}, "export": {"discard": True},
                                    "capture": {"ring_size": 64 << 20}})

    def check_full_speed(self, operations):
        """Stops the agent: spans + lost = operations, at both ends."""
        metrics = self.settled_metrics()
        self.stop()
        spans, gone = int(metrics["sonde_spans_total"]), lost(metrics)
        assert abs(spans + gone - 2 * operations) <= operations / 500, (operations, metrics)
        assert gone <= operations / 500, metrics


def links(span):
    return [(link["traceId"], link["spanId"]) for link in span.get("links", [])]


def column(spans, key):
    return [s["attributes"].get(key) for s in sorted(spans, key=lambda s: s["startTimeUnixNano"])]

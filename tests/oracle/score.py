#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scores parents by what the spans' own paths say (README.md): score.py FILE, the output of
`sonde trace --json`. Nothing else is asked, so a parent is right only if the spans show it."""
import collections
import dataclasses
import json
import pathlib
import sys
import urllib.parse

SHOWN_WRONG = 5


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a path says: a request is /serve/SERVICE.CONCURRENCY.NUMBER/CALLS/..., a call that it
    makes /leaf/REQUEST/K, or of a proxy, for which CALLS is 0, the same path; what follows it
    /after/REQUEST, and what nobody asked for /background/K."""
    verb: str
    request: str
    parts: tuple

    @classmethod
    def of(cls, span):
        attributes = span["attributes"]
        path = attributes.get("url.path") or \
            urllib.parse.urlsplit(attributes.get("url.full", "")).path
        for name in ("rpc.method_original", "rpc.method"):
            path = path or attributes.get(name, "")
        parts = tuple(path.strip("/").split("/"))
        if parts[0] == "background":
            return cls("background", path, parts)
        if parts[0] in ("serve", "leaf", "after") and parts[1].count(".") == 2:
            return cls(parts[0], parts[1], parts)
        return None

    @property
    def run(self):
        """Whose request it is, and how many there were at once."""
        service, concurrency, _ = self.request.split(".")
        return service, int(concurrency)


@dataclasses.dataclass
class Row:
    """Of one service at one concurrency. Calls are what its requests made, `beside` is what was
    sent for none of them or after their end: that may have its true parent or none."""
    service: str
    concurrency: int
    requests: int = 0
    calls: int = 0
    right: int = 0
    none: int = 0
    wrong: int = 0
    lost: int = 0
    beside: int = 0
    methods: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    @property
    def percent(self):
        return 100 * self.right / self.calls if self.calls else 0.0

    def __str__(self):
        methods = " ".join(f"{name}:{count}" for name, count in self.methods.most_common())
        return (f"{self.service:<24}{self.concurrency:>5}{self.requests:>10}{self.calls:>8}"
                f"{self.right:>8}{self.none:>8}{self.wrong:>7}{self.lost:>6}{self.beside:>8}"
                f"{self.percent:>8.2f}  {methods}")


HEAD = (f"{'service':<24}{'conc':>5}{'requests':>10}{'calls':>8}{'right':>8}{'none':>8}"
        f"{'wrong':>7}{'lost':>6}{'beside':>8}{'right %':>8}  methods of calls")


class Score:
    """The rows, and what is wrong in words."""

    def __init__(self, spans):
        self.rows, self.wrongs = {}, []
        self.by_id = {span["spanId"]: span for span in spans}
        self.named = [(span, name) for span in spans if (name := Identity.of(span))]
        self.serving = {pid_of(span) for span in spans if span["kind"] == "SERVER"}
        self.find_requests()
        self.find_calls()
        self.find_mixed()

    def row(self, run):
        return self.rows.setdefault(run, Row(*run))

    def find_requests(self):
        planned, self.since, self.proxied = {}, {}, set()
        for span, name in self.named:
            if name.verb == "serve":
                planned[name.request] = (name.run, max(1, int(name.parts[2])))
                self.proxied |= {name.request} if name.parts[2] == "0" else set()
                start = span["startTimeUnixNano"]
                self.since[name.run] = min(int(start), self.since.get(name.run, 1 << 63))
        for run, calls in planned.values():
            self.row(run).requests += 1
            self.row(run).lost += calls

    def run_at(self, time):
        """Which run what nobody asked for fell into: they are one after the other."""
        runs = sorted((since, run) for run, since in self.since.items())
        begun = [run for since, run in runs if since <= int(time)]
        return (begun or [runs[0][1] if runs else ("nobody", 0)])[-1]

    def find_calls(self):
        seen = set()
        for span, name in self.named:
            if span["kind"] == "SERVER":
                self.judge_server(span, name)
                continue
            if span["kind"] != "CLIENT" or (name.verb == "serve" and
                                            pid_of(span) not in self.serving):
                continue  # the client's own
            beside = name.verb in ("background", "after")
            background = name.verb == "background"
            row = self.row(self.run_at(span["startTimeUnixNano"]) if background else name.run)
            verdict = self.judge_call(span, name)
            if verdict == "wrong":
                self.tell(row, span, name)
            if beside:
                row.beside += 1
                row.wrong += verdict == "wrong"
                continue
            row.calls += 1
            setattr(row, verdict, getattr(row, verdict) + 1)
            row.methods[span["attributes"].get("sonde.parent.method", "?")] += 1
            ours = name.verb == "leaf" or name.request in self.proxied
            if ours and name.parts not in seen:
                seen.add(name.parts)
                row.lost -= 1

    def judge_call(self, span, name):
        if not span.get("parentSpanId"):
            return "none"
        parent = self.by_id.get(span["parentSpanId"])
        served = parent and Identity.of(parent)
        right = (served and parent["kind"] == "SERVER" and served.verb == "serve" and
                 served.request == name.request and served_by_its_own(parent, span) and
                 parent["traceId"] == span["traceId"])
        return "right" if right else "wrong"

    def judge_server(self, span, name):
        """Whose parent is the other end of its connection, or nobody."""
        parent = self.by_id.get(span.get("parentSpanId") or "")
        if not parent:
            return
        called = Identity.of(parent)
        if parent["kind"] == "CLIENT" and called and called.parts == name.parts and \
                parent["traceId"] == span["traceId"]:
            return
        row = self.row(self.run_at(span["startTimeUnixNano"]) if name.verb == "background"
                       else name.run)
        row.wrong += 1
        self.tell(row, span, name)

    def find_mixed(self):
        """A trace that holds two identities is wrong whoever's parent is whose."""
        traces = {}
        for span, name in self.named:
            traces.setdefault(span["traceId"], {}).setdefault(name.request, (span, name))
        for held in traces.values():
            for span, name in list(held.values())[1:]:
                row = self.row(self.run_at(span["startTimeUnixNano"])
                               if name.verb == "background" else name.run)
                row.wrong += 1
                self.wrongs.append(f"{row.service} {row.concurrency}: trace {span['traceId']} "
                                   f"holds {', '.join(held)}")

    def tell(self, row, span, name):
        parent = self.by_id.get(span["parentSpanId"])
        attributes = span["attributes"]
        what = "a span that is not there"
        if parent:
            served = Identity.of(parent)
            what = f"{parent['kind']} /{'/'.join(served.parts) if served else parent['name']}"
        self.wrongs.append(f"{row.service} {row.concurrency}: {span['kind']} /"
                           f"{'/'.join(name.parts)} is under {what}, by "
                           f"{attributes.get('sonde.parent.method')}")

    def table(self):
        rows = [str(row) for _, row in sorted(self.rows.items())]
        told = [f"wrong: {text}" for text in self.wrongs[:SHOWN_WRONG]]
        more = len(self.wrongs) - SHOWN_WRONG
        return "\n".join([HEAD, *rows, *told, *([f"... and {more} more"] if more > 0 else [])])


def served_by_its_own(parent, span):
    """The process that called served the request, or was started by the one that did."""
    return pid_of(parent) in (pid_of(span), span["resource"].get("process.parent_pid"))


def pid_of(span):
    return span["resource"].get("process.pid")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: score.py FILE")
    lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
    score = Score([json.loads(line) for line in lines])
    print(score.table())
    return 1 if score.wrongs else 0


if __name__ == "__main__":
    sys.exit(main())

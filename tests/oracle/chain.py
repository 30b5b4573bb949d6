# SPDX-License-Identifier: Apache-2.0
"""Runs a chain, client -> service -> backend, under `sonde trace` and scores its spans (README.md)."""
import argparse
import contextlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import runtimes  # noqa: E402
import score  # noqa: E402
import tls  # noqa: E402
from traced import Trace, wait_for  # noqa: E402

# How many requests a run has, by how many there are at once.
REQUESTS = {1: 30, 8: 80, 64: 192}


def requests_of(service, wanted=REQUESTS):
    return {concurrency: max(count // service.fraction, 8) for concurrency, count in wanted.items()}


def plan(service, concurrency, count):
    """The paths that a client asks for: /serve/ID/CALLS/HOW/WAIT/AFTER. CALLS are made all at `once`
    or one `each` time, WAIT ms after the request was received; AFTER 1: one more call, /after/ID,
    once the answer was sent."""
    chance = random.Random(f"{service.name} {concurrency} {count}")
    hows = ["each", "once"] if service.fans_out else ["each"]
    for number in range(1, count + 1):
        calls = 0 if service.proxy else chance.randint(1, 8)
        how, wait = chance.choice(hows), chance.choice([0, 0, 2, 10])
        after = int(chance.random() < 0.2)
        yield f"/serve/{service.name}.{concurrency}.{number}/{calls}/{how}/{wait}/{after}"


def surroundings(service, tmp_path):
    """The environment of all members of its chain."""
    if not service.tls:
        return {"SCHEME": "http", **service.settings}
    authority = tls.Authority(tmp_path / "tls")
    return {"SCHEME": "https", "PEM": authority.pem, "REQUESTS_CA_BUNDLE": authority.ca,
            **authority.env, **service.settings}


def ask(server, concurrency, paths):
    """Returns how many requests were answered with which status."""
    done = subprocess.run([*server.client(), server.url, str(concurrency)],
                          input="\n".join(paths), text=True, stdout=subprocess.PIPE, timeout=300,
                          env=server.env)
    assert done.returncode == 0, f"the client of {server.name} failed: {done.stdout}"
    answered = json.loads(done.stdout)
    assert answered.keys() <= {"200", "502", "500"}, (server.name, answered)
    return answered


def settle(server, trace):
    """From the start of a trace it takes a moment until what proxies pass on can be told."""
    def is_told():
        ask(server, 1, ["/first"])
        return '"forward"' in trace.stdout
    wait_for(is_told, "a request that is passed on", timeout=20, pause=0.2)


def run(service, tmp_path, requests, sonde_args=(), late=False):
    """Runs the chain of a service, {concurrency: requests}. Returns the trace, stopped. Late: its
    connections to the backend are older than sonde."""
    with contextlib.ExitStack() as stack:
        env = surroundings(service, tmp_path)
        backend = stack.enter_context(service.backend(tmp_path, env=env))
        server = stack.enter_context(service(tmp_path, backend.port, env))
        if late:
            ask(server, 16, plan(service, 16, 64))
        ports = [server.port, backend.port, *server.more_ports]
        trace = stack.enter_context(Trace(tmp_path, *sonde_args,
                                          *(a for port in ports for a in ("--port", port))))
        if service.proxy or service.passes_on:
            settle(server, trace)
        statuses = set()
        for concurrency, count in requests.items():
            answered = ask(server, concurrency, plan(service, concurrency, count))
            assert sum(answered.values()) == count, (service.name, answered)
            statuses |= answered.keys()
        trace.stop()
    assert len(statuses) > 1, "some fail, some do not"
    return trace


def parse_args():
    parser = argparse.ArgumentParser(prog="run-oracle", description=__doc__)
    parser.add_argument("service", nargs="*", help="some of: " + " ".join(runtimes.ALL))
    parser.add_argument("--concurrency", default="1,8,64", help="how many requests at once")
    parser.add_argument("--requests", type=int, help="how many in each run")
    parser.add_argument("--late", action="store_true", help="sonde starts when connections are there")
    parser.add_argument("--keep", metavar="DIR", help="leave spans and logs here, as SERVICE.json")
    parser.add_argument("--sonde", default="", metavar="ARGS", help="more arguments of sonde trace")
    args = parser.parse_args()
    for name in args.service:
        if name not in runtimes.ALL:
            parser.error(f"no service {name}")
    return args


def main():
    args = parse_args()
    requests = {c: args.requests or REQUESTS.get(c, 5 * c + 60)
                for c in map(int, args.concurrency.split(","))}
    wrong = 0
    for name in args.service or runtimes.ALL:
        with tempfile.TemporaryDirectory(prefix="oracle-") as directory:
            trace = run(runtimes.ALL[name], pathlib.Path(directory),
                        requests_of(runtimes.ALL[name], requests), args.sonde.split(), args.late)
            scored = score.Score(trace.spans)
            lost = {stem: count for stem, count in trace.account.items() if "lost" in stem}
            if args.keep:
                (pathlib.Path(args.keep) / f"{name}.json").write_text(trace.stdout)
        print(f"{scored.table()}\nsonde says: {lost or 'nothing lost'}", flush=True)
        wrong += len(scored.wrongs)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

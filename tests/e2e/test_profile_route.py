# SPDX-License-Identifier: Apache-2.0
"""Profiles of a route, a service, a trace: a server burns CPU time in a function for each of two routes, at once."""
import threading

import clients
from clients import step
from test_profile import Routes, ask, routes  # noqa: F401 (a fixture)
from traced import Profile

TRACE = "0af7651916cd43dd8448eb211c80319c"


def counts(summary):
    """Samples in the functions of the two routes."""
    of = {name.removeprefix("main."): cnt for name, cnt in summary.total_of.items()}
    return of.get("serve_red", 0), of.get("serve_green", 0)


def assert_all_told(running):
    """What is in the profile and what was left out are all samples."""
    found = running.summary
    assert found["filtered"] and found.samples == sum(r["samples"] for r in found["routes"])
    assert found.samples + found["otherRequests"] + found["unknownRequests"] + found["noRequest"] \
        == running.account["samples"]


def test_route(routes, tmp_path):
    """Beside it another profile takes all samples: so many there are."""
    with Routes(routes, tmp_path) as server:
        args = ["-p", server.pid, "--freq", "997"]
        with Profile(tmp_path, *args, "--spans") as everything, \
                Profile(tmp_path, *args, "--route", "/red") as part:
            ask(server, 1.5, 3)
            part.stop()
            everything.stop()
    red, green = counts(everything.summary)
    assert red > 50 and green > 50
    found, wrong = counts(part.summary)
    assert wrong == 0 and not any("serve_green" in name for name in part.summary.total_of)
    assert 0.9 * red <= found <= 1.2 * red
    assert part.summary["otherRequests"] >= 0.9 * green
    assert [r["name"] for r in part.summary["routes"]] == ["GET /red"]
    assert_all_told(part)
    shares = {r["name"]: r["samples"] for r in everything.summary["routes"]}
    assert shares["GET /red"] >= 0.9 * red and shares["GET /green"] >= 0.9 * green
    assert everything.summary["filtered"] is False


def test_trace(routes, tmp_path):
    """Of requests whose sender names the trace; others of the same route come at the same time."""
    with Routes(routes, tmp_path) as server:
        with Profile(tmp_path, "-p", server.pid, "--freq", "499", "--trace", TRACE[:12]) as part:
            others = threading.Thread(target=ask, args=(server, 1.5, 2))
            others.start()
            own = step(path="/red", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
            clients.requests_client(server.url, [own] * 30)
            others.join()
            part.stop()
    found, wrong = counts(part.summary)
    most = 30 * 0.012 * 499  # less where the machine is busy: goroutines burn by the clock on the wall
    assert wrong == 0 and 0.1 * most < found < 1.4 * most, part.summary["routes"]
    assert part.summary["otherRequests"] > 30
    assert_all_told(part)

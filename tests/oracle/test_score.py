# SPDX-License-Identifier: Apache-2.0
"""The scorer against chains made by hand: it must see every way to be wrong."""
import copy
import itertools

import pytest

from score import Score

CLIENT, SERVICE, BACKEND = 10, 20, 30


def span(kind, pid, path, parent=None, start=1000):
    number = next(span.numbers)
    where = {"url.path": path} if kind == "SERVER" else {"url.full": f"http://127.0.0.1:80{path}?q"}
    made = {"kind": kind, "spanId": f"s{number}", "traceId": f"t{number}", "name": "GET",
            "startTimeUnixNano": str(start + number), "resource": {"process.pid": pid},
            "attributes": {**where, "sonde.parent.method": "socket" if parent else "none"}}
    adopt(made, parent)
    return made


def adopt(child, parent):
    if parent:
        child["parentSpanId"], child["traceId"] = parent["spanId"], parent["traceId"]


def request(number, calls, after=False):
    """A request's spans by name: asked, served, call0, answered0, ..."""
    ident = f"svc.8.{number}"
    path = f"/serve/{ident}/{calls}/each/0/{int(after)}"
    spans = {"asked": span("CLIENT", CLIENT, path)}
    served = spans["served"] = span("SERVER", SERVICE, path, spans["asked"])
    for k in range(max(calls, 1)):
        called = f"/leaf/{ident}/{k}" if calls else path
        spans[f"call{k}"] = span("CLIENT", SERVICE, called, served)
        spans[f"answered{k}"] = span("SERVER", BACKEND, called, spans[f"call{k}"])
    if after:
        spans["after"] = span("CLIENT", SERVICE, f"/after/{ident}")
    return spans


@pytest.fixture(autouse=True)
def numbers():
    span.numbers = itertools.count()


def scored(*requests):
    spans = [s for r in requests for s in r.values()]
    score = Score(spans)
    row, = score.rows.values()
    assert bool(row.wrong) == bool(score.wrongs)
    assert (row.service, row.concurrency) == ("svc", 8)
    return row


def orphan(child):
    child.pop("parentSpanId")
    child["traceId"] = "t-" + child["spanId"]


def test_all_right():
    row = scored(request(1, 3), request(2, 1, after=True))
    assert (row.requests, row.calls, row.right, row.none, row.wrong) == (2, 4, 4, 0, 0)
    assert (row.lost, row.beside, row.percent) == (0, 1, 100)


def test_a_proxy_is_right():
    row = scored(request(1, 0), request(2, 0))
    assert (row.calls, row.right, row.lost) == (2, 2, 0)


def test_a_child_process_calls():
    one = request(1, 1)
    one["call0"]["resource"] = {"process.pid": 99, "process.parent_pid": SERVICE}
    assert scored(one).right == 1
    one["call0"]["resource"]["process.parent_pid"] = CLIENT
    assert scored(one).wrong == 1


def test_none_and_lost():
    one, two = request(1, 3), request(2, 0)
    orphan(one["call1"])
    adopt(one["answered1"], one["call1"])
    del one["call2"], one["answered2"], two["call0"], two["answered0"]
    row = scored(one, two)
    assert (row.calls, row.right, row.none, row.wrong, row.lost) == (2, 1, 1, 0, 2)


def of_another(one, two):
    adopt(one["call0"], two["served"])
    adopt(one["answered0"], one["call0"])


def of_another_in_its_own_trace(one, two):
    one["call0"]["parentSpanId"] = two["served"]["spanId"]


def of_the_client(one, two):
    adopt(one["call0"], one["asked"])


def of_its_own_sibling(one, two):
    adopt(one["call0"], one["call1"])


def of_another_process(one, two):
    one["served"]["resource"]["process.pid"] += 1


def of_nobody(one, two):
    one["call0"]["parentSpanId"] = "s999"


def in_another_trace(one, two):
    one["call0"]["traceId"] = "t999"


def backend_under_another(one, two):
    adopt(one["answered0"], two["call0"])


def one_trace_for_both(one, two):
    for s in two.values():
        s["traceId"] = one["asked"]["traceId"]


def after_another(one, two):
    adopt(two["after"], one["served"])


@pytest.mark.parametrize("spoil", [
    of_another, of_another_in_its_own_trace, of_the_client, of_its_own_sibling,
    of_another_process, of_nobody, in_another_trace, backend_under_another, one_trace_for_both,
    after_another], ids=lambda spoil: spoil.__name__)
def test_wrong(spoil):
    one, two = request(1, 2), request(2, 2, after=True)
    assert scored(one, two).wrong == 0
    spoil(one, two)
    assert scored(one, two).wrong > 0


def test_what_nobody_asked_for_has_no_parent():
    one = request(1, 1, after=True)
    adopt(one["after"], one["served"])  # its true one
    one["background"] = span("CLIENT", SERVICE, "/background/7")
    row = scored(one)
    assert (row.beside, row.wrong) == (2, 0)
    taken = copy.deepcopy(one)
    adopt(taken["background"], taken["served"])
    assert scored(taken).wrong > 0

# SPDX-License-Identifier: Apache-2.0
"""Calls that services of many runtimes make while serving: each has its true parent or none, never
another's. tests/oracle/README.md says how that is known."""
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))

import chain  # noqa: E402
import runtimes  # noqa: E402
from score import Score  # noqa: E402


def judge(service, trace, requests):
    scored = Score(trace.spans)
    print(f"{scored.table()}\n{trace.account}")
    rows = {row.concurrency: row for row in scored.rows.values()}
    assert not scored.wrongs
    assert {c: row.requests for c, row in rows.items() if row.requests} == requests
    for row in rows.values():
        assert row.lost == 0, row
        assert row.percent >= service.bar, row
    return rows


def case(service):
    marks = [pytest.mark.xfail(reason=service.known_wrong)] if service.known_wrong else []
    return pytest.param(service.name, marks=marks)


@pytest.mark.parametrize("name", [case(service) for service in runtimes.ALL.values()])
def test_parents_are_true(tmp_path, name):
    service = runtimes.ALL[name]
    trace = chain.run(service, tmp_path, chain.REQUESTS)
    rows = judge(service, trace, chain.REQUESTS)
    assert service.proxy or all(row.beside for row in rows.values())

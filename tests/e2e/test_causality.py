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


def judge(trace, requests):
    scored = Score(trace.spans)
    print(f"{scored.table()}\n{trace.account}")
    rows = {row.concurrency: row for row in scored.rows.values()}
    assert not scored.wrongs
    assert {c: row.requests for c, row in rows.items() if row.requests} == requests
    for row in rows.values():
        assert row.lost == 0, row
    return rows


@pytest.mark.parametrize("name", list(runtimes.ALL))
def test_parents_are_true(tmp_path, name):
    service = runtimes.ALL[name]
    requests = chain.requests_of(service)
    rows = judge(chain.run(service, tmp_path, requests), requests)
    for row in rows.values():
        assert row.percent >= service.bar, row
    assert service.proxy or all(row.beside for row in rows.values())


@pytest.mark.parametrize("name", ["c-threads", "go-http", "nginx-keepalive", "node-http"])
def test_connections_older_than_sonde(tmp_path, name):
    requests = {1: 40, 16: 160}
    judge(chain.run(runtimes.ALL[name], tmp_path, requests, late=True), requests)

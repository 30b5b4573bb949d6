# SPDX-License-Identifier: Apache-2.0
"""BoringSSL linked into the extension of a Python package, among 30 MB of other code; test_tls.py has a
shared one."""
import json
import subprocess
import sys

import pytest

import servers
import tls
from checks import check_inside, check_nothing_else, check_socket_parents, check_span
from traced import Trace, environment

PATHS = ["/small", "/items/7", "/missing", "/big", "/small"]
STATUSES, SIZES = [200, 200, 404, 200, 200], {"/small": 612, "/big": 10 * 1024 * 1024}


@pytest.mark.parametrize("server, version", [("python", "1.1"), ("nginx", "2")])
def test_linked_into_an_extension(tmp_path, start, authority, server, version):
    running = start(tls.SERVERS[server](tmp_path, authority))
    client = subprocess.Popen(
        [sys.executable, str(servers.WORKLOADS / "curl_cffi_client.py"), running.url, *PATHS],
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(**authority.env))
    assert client.stdout.readline() == "ready\n"
    with Trace(tmp_path, "--port", running.port) as trace:
        answers = json.loads(client.communicate("go\n", timeout=60)[0])
        trace.stop()
    assert [status for status, _ in answers] == STATUSES
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == len(PATHS), (trace.stderr, trace.stdout)
    check_inside(pairs)
    for pair, path, (status, size) in zip(pairs, PATHS, answers):
        for span in pair:
            check_span(span, "GET", path, status, "https", (version,))
            assert span["attributes"].get("http.response.body.size", 0) == size, trace.account
        assert size == SIZES.get(path, size)
    check_nothing_else(trace, running.port)

# SPDX-License-Identifier: Apache-2.0
"""Bytes made to do harm: other connections are unaffected, memory stays bounded, causes are counted."""
import json
import pathlib
import subprocess
import sys

from checks import of_kind
from clients import requests_client, step
from servers import WORKLOADS
from traced import ROOT, environment

CORPORA = ROOT / "tests/fuzz/corpus/protocols"
REQUESTS = 1000
RING = 16 << 20  # for a busy machine: what does not fit it is another test's matter
MEMORY_MAX = 2 * RING + (32 << 20)  # a ring is mapped twice in a row


def resident_peak(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def test_hostile_bytes(tracing, python_server):
    command = [sys.executable, str(WORKLOADS / "hostile.py"), str(CORPORA)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(),
                          stdin=subprocess.PIPE) as hostile:
        ports = json.loads(hostile.stdout.readline())
        trace = tracing("--port", ",".join(map(str, [*ports, python_server.port])),
                        env={"SONDE_CAPTURE_RING_SIZE": str(RING)})
        hostile.stdin.write("\n")
        hostile.stdin.flush()
        requests_client(python_server.url, [step()] * REQUESTS)
        made = json.loads(hostile.communicate(timeout=60)[0])
    assert made > 500 and hostile.returncode == 0
    requests_client(python_server.url, [step()] * 10)
    trace.wait_spans(2 * (REQUESTS + 10))
    peak = resident_peak(trace.process.pid)
    trace.stop()
    good = [s for s in trace.spans if s["attributes"].get("server.port") == python_server.port]
    for kind in ("CLIENT", "SERVER"):
        assert len(of_kind(good, kind)) == REQUESTS + 10
    assert all(s["attributes"]["http.response.status_code"] == 200 for s in good)
    assert peak <= MEMORY_MAX, peak
    account = trace.account
    assert "ring_full" not in account
    assert account["connections"] >= 2 * made
    assert account["connections_unknown"] > 100 and account["unparsed_bytes"] > 0
    assert account["gaps"] > 0 and account.lost > 0
    assert sum(r["connections"] for r in account["unknown"]) == account["connections_unknown"]

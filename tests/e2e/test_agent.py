# SPDX-License-Identifier: Apache-2.0
"""The daemon, and the other commands: reload, endpoints, files, recording and replay, doctor."""
import json
import signal
import urllib.error

import pytest

import clients
import gateway
from checks import check_socket_parents
from clients import step
from traced import Agent, run, wait_for


def test_sighup(tmp_path, collector, start, python_server):
    """SIGHUP takes a new filter; a wrong file is refused and the old one stays."""
    quiet = {"targets": {"ports": [1]}, "export": {"endpoint": collector.url}}
    with Agent(tmp_path, quiet) as agent:
        clients.curl_client(python_server.url, [step()] * 3)
        agent.write_config({**quiet, "targets": {"ports": [python_server.port]}})
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in agent.log, "the reload to be told")
        clients.curl_client(python_server.url, [step()] * 4)
        agent.config_path.write_text("targets:\n  ports: [many]\n")
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "many" in agent.log, "the error to be told")
        clients.curl_client(python_server.url, [step()] * 5)
        agent.stop()
    assert len(collector.wait_spans(18, python_server.port)) == 18, agent.log


def test_endpoints(tmp_path):
    with Agent(tmp_path, {"export": {"discard": True}}) as agent:
        assert agent.get("/healthz") and agent.get("/readyz")
        text = agent.get("/metrics")
        assert "# TYPE sonde_spans_total counter" in text
        assert agent.metrics()["sonde_resident_memory_bytes"] > 0
        with pytest.raises(urllib.error.HTTPError) as error:
            agent.get("/nothing")
        assert error.value.code == 404
        agent.stop()


def test_otlp_file(tracing, tmp_path, python_server):
    """Lines as the Collector's file exporter writes them, the same spans as on standard output."""
    path = tmp_path / "spans.jsonl"
    trace = tracing("--port", python_server.port, "--otlp-file", path)
    clients.curl_client(python_server.url, [step()] * 5)
    trace.stop()
    written = [s for line in path.read_text().splitlines() for s in gateway.flatten(line)]
    assert len(written) == 10
    check_socket_parents(written)
    if trace.spans:
        shown = {s["spanId"]: s for s in trace.spans}
        for span in written:
            same = shown[span["spanId"]]
            for key in ("traceId", "parentSpanId", "name", "kind", "startTimeUnixNano",
                        "endTimeUnixNano", "status", "attributes", "resource"):
                assert span[key] == same[key], key


def test_record_and_replay(tracing, tmp_path, python_server):
    """A recorded ring gives the same exchanges again; ids and resources of then."""
    ring = tmp_path / "ring"
    trace = tracing("--port", python_server.port, "--record", ring)
    clients.curl_client(python_server.url, [step(path=f"/items/{n}?k=v") for n in range(5)])
    trace.stop()
    done = run("replay", "--json", ring)
    assert done.returncode == 0, done.stderr
    again = [json.loads(line) for line in done.stdout.splitlines()]

    def essence(spans):
        return sorted((int(s["startTimeUnixNano"]), int(s["endTimeUnixNano"]), s["kind"],
                       s["name"], json.dumps(s["attributes"], sort_keys=True),
                       s["resource"]["service.name"]) for s in spans)
    assert len(again) == 10 and essence(again) == essence(trace.spans)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_replay_of_a_cut_recording(tracing, tmp_path, python_server, keep):
    """The whole records before the cut are used, and the cut is told. What is at the very end need not be of a span."""
    ring = tmp_path / "ring"
    trace = tracing("--port", python_server.port, "--record", ring)
    clients.curl_client(python_server.url, [step()] * 20)
    trace.stop()
    whole = ring.read_bytes()
    ring.write_bytes(whole[:int(len(whole) * keep)])
    done = run("replay", "--json", ring)
    assert done.returncode >= 0, done
    spans_cnt = len(done.stdout.splitlines())
    assert 0 < spans_cnt < 40 or (keep == 0.95 and spans_cnt == 40)
    assert "missing" in done.stderr


def test_doctor():
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    text = run("doctor")
    assert "sock_send_length" in text.stdout or "tp_btf" in text.stdout, text.stdout


def test_version_and_help():
    assert run("version").stdout.split()[0:1] == ["sonde"]
    for args in (["--help"], ["trace", "--help"], ["agent", "--help"]):
        done = run(*args)
        assert done.returncode == 0 and len(done.stdout) > 200
    assert "sonde trace" in run("--help").stdout

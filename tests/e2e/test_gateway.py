# SPDX-License-Identifier: Apache-2.0
"""The gateway of deploy/kubernetes: its own configuration and environment, run by the real Collector
three times on loopback addresses; what the agents send comes out as its sampling says."""
import contextlib
import http.client
import json
import random
import signal
import subprocess
import time
import urllib.request

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import \
    ExportMetricsServiceRequest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import \
    ExportProfilesServiceRequest

import gateway
import servers
from manifests import Pod, find
from traced import Agent, environment, wait_for

ADDRESSES = ["127.0.77.1", "127.0.77.2", "127.0.77.3"]
HTTP_PORT = 4318


class Instance:
    """One pod of the StatefulSet: the Collector in a mount namespace where the name of the headless
    service leads to all instances."""

    def __init__(self, tmp_path, address, hosts, **env):
        self.pod = Pod("StatefulSet", "sonde-gateway")
        self.address = address
        self.url = f"http://{address}:{HTTP_PORT}"
        self.log = tmp_path / f"{address}.log"
        self.hosts = hosts
        (config,) = self.pod.files().items()
        assert self.pod.args[0] == f"--config={config[0]}"
        path = tmp_path / "collector.yaml"
        path.write_text(config[1])
        self.args = [f"--config={path}", *self.pod.args[1:]]
        self.env = environment(**self.pod.environment(status_podIP=address))
        self.env |= {"GATEWAY_DIRECTORY": str(tmp_path / f"queue-{address}"), **env}

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", f'mount --bind {self.hosts} /etc/hosts && exec "$@"',
                 "sh", gateway.collector_program(), *self.args],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        wait_for(lambda: self.ready() or self.process.poll() is not None, "the gateway", 30)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(self, *exc):
        self.end(signal.SIGTERM)

    def end(self, sig):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.process.wait(timeout=60)

    def ready(self):
        path, port = self.pod.probe("readinessProbe")
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{self.address}:{port}{path}", timeout=5) as page:
                return page.status == 200
        return False

    def count(self, name, label=""):
        """The sum of the Collector's own counters of that name, of those with the label."""
        with urllib.request.urlopen(f"http://{self.address}:8888/metrics", timeout=5) as page:
            return int(sum(float(line.split()[-1]) for line in page.read().decode().splitlines()
                           if line.startswith(name) and label in line))


    def decided(self, kept="sampled="):
        """On how many traces it has decided."""
        return self.count("otelcol_processor_tail_sampling_global_count_traces_sampled", kept)

    def kept(self):
        """How many traces it has decided to keep."""
        return self.decided('sampled="true"')


class Gateway:
    """All instances, each with a backend of its own, so that it shows which one kept a trace."""

    def __init__(self, tmp_path, **env):
        self.hosts = tmp_path / "hosts"
        self.backends = []
        self.instances = []
        self.agents = []
        for number, address in enumerate(ADDRESSES):
            directory = tmp_path / f"backend-{number}"
            directory.mkdir()
            self.backends.append(gateway.Collector(directory))
            self.instances.append(Instance(
                tmp_path, address, self.hosts, GATEWAY_EXPORTER="otlp_http", SAMPLING_WAIT="2s",
                GATEWAY_ENDPOINT=self.backends[-1].url, **env))
        self.resolve(ADDRESSES)

    def resolve(self, addresses):
        """What the cluster's DNS answers; the instances look every few seconds."""
        name = find("StatefulSet", "sonde-gateway")["spec"]["serviceName"]
        self.hosts.write_text("127.0.0.1 localhost\n"
                              + "".join(f"{address} {name}\n" for address in addresses))

    def wait_accepted(self, receiver, spans):
        """Until that layer's receivers have taken exactly so many."""
        def accepted():
            return [i.count("otelcol_receiver_accepted_spans", f'receiver="{receiver}"')
                    for i in self.instances]
        with contextlib.suppress(AssertionError):
            wait_for(lambda: sum(accepted()) == spans, f"{spans} spans", 60)
        told = [{name: n for name, n in agent.metrics().items() if n} for agent in self.agents]
        assert sum(accepted()) == spans, (receiver, accepted(), told)

    def traces(self):
        """{trace id: {number of the backend: [spans]}} of all that came out."""
        found = {}
        for number, backend in enumerate(self.backends):
            for span in backend.spans():
                found.setdefault(span["traceId"], {}).setdefault(number, []).append(span)
        return found

    def wait_traces(self, wanted, spans, timeout=60):
        """Until those have come out with that many different spans each; returns traces()."""
        def missing():
            found = self.traces()
            return [t for t in wanted if len({s["spanId"] for part in found.get(t, {}).values()
                                              for s in part}) < spans]
        end = time.monotonic() + timeout
        while (lacking := missing()) and time.monotonic() < end:
            time.sleep(0.3)
        assert not lacking, f"{len(lacking)} of {len(wanted)} traces are missing or not whole"
        return self.traces()

    def wait_decided(self, count):
        """Until it is decided on that many traces, and all that are kept have come out; returns traces()."""
        wait_for(lambda: sum(i.decided() for i in self.instances) >= count, "all decisions", 60)
        kept = sum(i.kept() for i in self.instances)
        wait_for(lambda: len(self.traces()) >= kept, f"{kept} traces", 60)
        return self.traces()


@pytest.fixture
def start_gateway(tmp_path, start):
    """start_gateway(VARIABLES) starts backends and instances."""
    def start_all(backends=True, **env):
        running = Gateway(tmp_path, **env)
        for thing in (running.backends if backends else []) + running.instances:
            start(thing)
        return running
    return start_all


def new_trace():
    return f"{random.getrandbits(128):032x}"


def get(port, path, trace_id):
    """One request as an instrumented program sends it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={
        "traceparent": f"00-{trace_id}-{random.getrandbits(64):016x}-01"})
    connection.getresponse().read()
    connection.close()


@pytest.fixture
def two_nodes(tmp_path, start):
    """two_nodes(gateway) returns (port, port) of two servers whose agents send to different
    instances, as on two nodes. A request to each makes a trace of four spans."""
    def start_both(running):
        agents, ports = [], []
        for instance in running.instances[:2]:
            server = start(servers.PythonServer(tmp_path))
            agents.append(start(Agent(tmp_path, {
                "targets": {"ports": [server.port]},
                "export": {"endpoint": instance.url, "batch_delay": "100ms"}})))
            ports.append(server.port)
        running.agents = agents
        return ports
    return start_both


def test_sampling_of_whole_traces(start_gateway, two_nodes):
    """Every trace with an error or a long duration comes out, and some of the others; each whole,
    and from one instance, although its halves came in by two."""
    running = start_gateway()
    first, second = two_nodes(running)
    errors, slow, usual = ([new_trace() for _ in range(n)] for n in (20, 4, 200))
    for trace in errors:
        get(first, "/small", trace)
        get(second, "/fail", trace)
    for trace in usual:
        get(first, "/small", trace)
        get(second, "/small", trace)
    for trace in slow:
        get(first, "/small", trace)
    time.sleep(0.6)  # by default slow is more than 500 ms
    for trace in slow:
        get(second, "/small", trace)
    spans = 4 * len([*errors, *slow, *usual])
    for agent in running.agents:
        agent.wait_spans(spans // 2)
    for receiver in ("otlp", "otlp/traces"):
        running.wait_accepted(receiver, spans)
    out = running.wait_traces([*errors, *slow], 4)
    out = running.wait_decided(len([*errors, *slow, *usual]))
    for trace, parts in out.items():
        (part,) = parts.values()
        assert sorted(s["kind"] for s in part) == ["CLIENT", "CLIENT", "SERVER", "SERVER"], trace
        assert {s["attributes"]["server.port"] for s in part} == {first, second}
    assert set(out) <= {*errors, *slow, *usual}
    kept = len(set(usual) & set(out))
    assert 1 <= kept <= 60, f"{kept} of 200 usual traces were kept, with a chance of 10 %"
    assert {n for parts in out.values() for n in parts} == {0, 1, 2}, "an instance got no trace"


def test_killed_instance(start_gateway, two_nodes, start):
    """The backends are away, an instance is killed and comes back later: what was to be kept is
    delivered, whole, at least once."""
    running = start_gateway(backends=False)
    first, second = two_nodes(running)

    def fail(count):
        traces = [new_trace() for _ in range(count)]
        for trace in traces:
            get(first, "/fail", trace)
            get(second, "/fail", trace)
        return traces

    before = fail(60)
    wait_for(lambda: sum(i.kept() for i in running.instances) == 60, "all decisions", 20)
    time.sleep(0.5)  # from the decision into the queue
    killed = running.instances[2]
    mine = killed.kept()
    assert mine > 0, "the killed instance had none of 60 traces"
    killed.end(signal.SIGKILL)
    running.resolve(ADDRESSES[:2])
    during = fail(30)
    for backend in running.backends:
        start(backend)
    running.wait_traces(during, 4)
    assert len(set(before) & set(running.traces())) == 60 - mine
    start(killed)
    running.wait_traces([*before, *during], 4)
    from_disk = [s["traceId"] for s in running.backends[2].spans()]
    assert len(set(from_disk)) == mine


def test_other_signals(start_gateway):
    """Metrics and profiles pass through, whichever instance gets them."""
    running = start_gateway()
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    metric.gauge.data_points.add(as_int=7, time_unix_nano=time.time_ns())
    profiles = ExportProfilesServiceRequest()
    for table in ("mapping_table", "location_table", "function_table", "link_table",
                  "attribute_table", "stack_table"):
        getattr(profiles.dictionary, table).add()
    profiles.dictionary.string_table.extend(["", "samples", "count"])
    profile = profiles.resource_profiles.add().scope_profiles.add().profiles.add(
        profile_id=random.randbytes(16), time_unix_nano=time.time_ns())
    profile.sample_type.type_strindex, profile.sample_type.unit_strindex = 1, 2
    profile.samples.add(values=[3])
    for instance in running.instances:
        for path, message in (("/v1/metrics", metrics), ("/v1development/profiles", profiles)):
            answer = requests.post(instance.url + path, data=message.SerializeToString(), timeout=10,
                                   headers={"content-type": "application/x-protobuf"})
            assert answer.status_code == 200, answer.text
    for backend in running.backends:
        for file, key in ((backend.metrics_file, "resourceMetrics"),
                          (backend.profiles_file, "resourceProfiles")):
            wait_for(lambda f=file: gateway.whole_lines(f), key, 20)
            assert [list(json.loads(line))[0] for line in gateway.whole_lines(file)] == [key]


@pytest.mark.alone
def test_gateway_is_not_told_of(tmp_path, start_gateway, start, python_server):
    """An agent that traces the gateway's node also sees the gateway send and receive. Nothing of that
    comes out, else each export would be the cause of another one."""
    running = start_gateway(SAMPLING_PERCENT="100")
    with Agent(tmp_path, {"targets": {"names": ["collector", "python", "python3"]},
                          "export": {"endpoint": running.instances[0].url,
                                     "batch_delay": "100ms"}}) as agent:
        traces = []
        for _ in range(10):
            traces.append(new_trace())
            get(python_server.port, "/small", traces[-1])
            time.sleep(0.5)
        out = running.wait_traces(traces, 2)
        agent.stop()
    services = {s["resource"]["service.name"] for parts in out.values() for part in parts.values()
                for s in part}
    assert "http_server" in services and "sonde-gateway" not in services
    paths = str([s["attributes"] for parts in out.values() for part in parts.values()
                 for s in part])
    assert "/v1/traces" not in paths

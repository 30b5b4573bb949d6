# SPDX-License-Identifier: Apache-2.0
"""The real OpenTelemetry Collector with file exporters, and their files read back."""
import base64
import functools
import json
import subprocess
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

from net import accepts, free_port
from traced import ROOT, environment, wait_for

CONFIG = """
receivers:
  otlp:
    protocols:
      http: {endpoint: "127.0.0.1:%(port)d"}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 512}
exporters:
  file: {path: "%(file)s", flush_interval: 50ms}
  file/metrics: {path: "%(metrics_file)s", flush_interval: 50ms}
  file/profiles: {path: "%(profiles_file)s", flush_interval: 50ms}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter], exporters: [file]}
    profiles: {receivers: [otlp], processors: [memory_limiter], exporters: [file/profiles]}
"""
METRICS = """
    metrics: {receivers: [otlp], processors: [memory_limiter], exporters: [file/metrics]}
"""
KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
STATUSES = ["UNSET", "OK", "ERROR"]


def value_of(any_value):
    (kind, value), = any_value.items()
    if kind == "intValue":
        return int(value)
    if kind == "arrayValue":
        return [value_of(v) for v in value.get("values", [])]
    return value


def as_dict(attributes):
    found = {a["key"]: value_of(a["value"]) for a in attributes}
    assert len(found) == len(attributes), f"a key twice: {attributes}"
    return found


def flatten(line):
    """The spans of one line of OTLP/JSON in the form of `sonde trace --json`."""
    for of_resource in json.loads(line)["resourceSpans"]:
        resource = as_dict(of_resource["resource"].get("attributes", []))
        for of_scope in of_resource["scopeSpans"]:
            for span in of_scope["spans"]:
                yield {
                    "traceId": span["traceId"], "spanId": span["spanId"],
                    "parentSpanId": span.get("parentSpanId", ""), "name": span["name"],
                    "kind": KINDS[span["kind"]],
                    "startTimeUnixNano": int(span["startTimeUnixNano"]),
                    "endTimeUnixNano": int(span["endTimeUnixNano"]),
                    "status": STATUSES[span.get("status", {}).get("code", 0)],
                    "attributes": as_dict(span.get("attributes", [])), "resource": resource,
                    "scope": of_scope.get("scope", {}),
                    "schemaUrl": of_resource.get("schemaUrl", ""),
                    "flags": span.get("flags", 0),
                    "traceState": span.get("traceState", ""),
                }


def flatten_metrics(line):
    """The histogram points of one line of OTLP/JSON."""
    for of_resource in json.loads(line)["resourceMetrics"]:
        resource = as_dict(of_resource["resource"].get("attributes", []))
        for of_scope in of_resource["scopeMetrics"]:
            for metric in of_scope["metrics"]:
                for point in metric["histogram"]["dataPoints"]:
                    yield {
                        "name": metric["name"], "unit": metric["unit"], "resource": resource,
                        "temporality": metric["histogram"]["aggregationTemporality"],
                        "attributes": as_dict(point.get("attributes", [])),
                        "start": int(point["startTimeUnixNano"]),
                        "time": int(point["timeUnixNano"]), "count": int(point["count"]),
                        "sum": point["sum"], "bounds": point["explicitBounds"],
                        "buckets": [int(n) for n in point["bucketCounts"]],
                        "scope": of_scope.get("scope", {}),
                    }


def as_profiles(line):
    """A line of OTLP/JSON, which has ids in hex where protobuf's own JSON has base64."""
    request = json.loads(line)
    for link in request["dictionary"].get("linkTable", []):
        for key in link:
            link[key] = base64.b64encode(bytes.fromhex(link[key])).decode()
    for of_resource in request.get("resourceProfiles", []):
        for scope in of_resource.get("scopeProfiles", []):
            for profile in scope.get("profiles", []):
                if "profileId" in profile:
                    profile["profileId"] = base64.b64encode(
                        bytes.fromhex(profile["profileId"])).decode()
    return json_format.ParseDict(request, profiles_service_pb2.ExportProfilesServiceRequest())


def observations(request):
    """A dictionary for each timestamp of each sample of an ExportProfilesServiceRequest."""
    tables = request.dictionary
    text = tables.string_table

    def named(attribute):
        kind = attribute.value.WhichOneof("value")
        value = getattr(attribute.value, kind)
        key = text[attribute.key_strindex] or getattr(attribute, "key", "")
        return key, text[value] if kind == "string_value_strindex" else value

    def frames(index):
        """Of a location, what is inlined there first."""
        location = tables.location_table[index]
        attributes = dict(named(tables.attribute_table[i]) for i in location.attribute_indices)
        for function in [line.function_index for line in location.lines] or [0]:
            yield {"name": text[tables.function_table[function].name_strindex],
                   "type": attributes.get("profile.frame.type")}

    for group in request.resource_profiles:
        resource = dict(named(a) for a in group.resource.attributes)
        for profile in (p for scope in group.scope_profiles for p in scope.profiles):
            attributes = dict(named(tables.attribute_table[i])
                              for i in profile.attribute_indices)
            for sample in profile.samples:
                link = tables.link_table[sample.link_index]
                stack = tables.stack_table[sample.stack_index]
                # Of a thread that waits each has a value: how long.
                values = list(sample.values) or [None] * len(sample.timestamps_unix_nano)
                for time_ns, value in zip(sample.timestamps_unix_nano, values, strict=True):
                    yield {"time": time_ns, "resource": resource, "period": profile.period,
                           "of": text[profile.sample_type.type_strindex], "value": value,
                           "profileId": profile.profile_id.hex(), "profile": attributes,
                           "traceId": link.trace_id.hex(),
                           "spanId": link.span_id.hex() if any(link.span_id) else "",
                           "stack": [f for i in stack.location_indices for f in frames(i)]}


def whole_lines(path):
    """Those that are complete; none if there is no such file yet."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


@functools.cache
def collector_program():
    return subprocess.run([ROOT / "tools/collector"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


class Collector:
    """Listens for OTLP/HTTP at .url, perhaps not for metrics. A context manager."""

    def __init__(self, tmp_path, metrics=True):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = tmp_path / "collector.jsonl"
        self.metrics_file = tmp_path / "metrics.jsonl"
        self.profiles_file = tmp_path / "profiles.jsonl"
        self.log = tmp_path / "collector.log"
        self.config = tmp_path / "collector.yaml"
        self.config.write_text((CONFIG + (METRICS if metrics else "")) % {
            "port": self.port, "file": self.file, "metrics_file": self.metrics_file,
            "profiles_file": self.profiles_file})

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [collector_program(), "--config", self.config,
                 "--feature-gates=service.profilesSupport"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment())
        wait_for(lambda: accepts(self.port) or self.process.poll() is not None,
                 "the Collector to listen", 30)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(timeout=20)

    def spans(self, port=None):
        """What has arrived so far, of the server at that port if one is given."""
        spans = [span for line in whole_lines(self.file) for span in flatten(line)]
        if port is None:
            return spans
        return [s for s in spans if s["attributes"].get("server.port") == port]

    def points(self, **resource):
        """Metric points that have arrived so far, of resources with these attributes (with _ for
        .), oldest first."""
        points = [p for line in whole_lines(self.metrics_file) for p in flatten_metrics(line)]
        return [p for p in points if all(p["resource"].get(key.replace("_", ".")) == value
                                         for key, value in resource.items())]

    def profiles(self):
        """The requests with profiles that have arrived so far, as the official message."""
        return [as_profiles(line) for line in whole_lines(self.profiles_file)]

    def samples(self, pid):
        """What has arrived so far of a process's CPU samples."""
        return [sample for request in self.profiles() for sample in observations(request)
                if sample["resource"].get("process.pid") == pid]

    def wait_spans(self, count, port=None, timeout=10):
        """Waits until that many have arrived and a little longer, for any that are too many."""
        end = time.monotonic() + timeout
        while len(self.spans(port)) < count and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(0.2)
        return self.spans(port)

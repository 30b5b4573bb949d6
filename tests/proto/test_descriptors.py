# SPDX-License-Identifier: Apache-2.0
"""proto/ against the official descriptors: every message, enumeration, field, number and type."""
import pathlib
import subprocess

import pytest
from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
OFFICIAL = {
    "common.proto": "opentelemetry.proto.common.v1.common_pb2",
    "resource.proto": "opentelemetry.proto.resource.v1.resource_pb2",
    "trace.proto": "opentelemetry.proto.trace.v1.trace_pb2",
    "trace_service.proto": "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    "metrics.proto": "opentelemetry.proto.metrics.v1.metrics_pb2",
    "metrics_service.proto": "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    "profiles.proto": "opentelemetry.proto.profiles.v1development.profiles_pb2",
    "profiles_service.proto":
        "opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2",
    "rpc_status.proto": "google.rpc.status_pb2",
}
# What we leave out on purpose; everything else must be there.
LEFT_OUT = {
    ".opentelemetry.proto.trace.v1.TracesData",
    ".opentelemetry.proto.profiles.v1development.ProfilesData",
    ".google.rpc.Status.details",
    # Kinds of metrics other than histograms, and exemplars
    *(f".opentelemetry.proto.metrics.v1.{name}" for name in (
        "MetricsData", "Metric.gauge", "Metric.sum", "Metric.exponential_histogram",
        "Metric.summary", "Gauge", "Sum", "ExponentialHistogram", "Summary", "NumberDataPoint",
        "ExponentialHistogramDataPoint", "SummaryDataPoint", "HistogramDataPoint.exemplars",
        "Exemplar", "DataPointFlags",
    )),
}


def flatten(file):
    """{full name: what must agree} for everything that the file declares."""
    found = {}

    def add_enum(prefix, enum):
        found[f"{prefix}.{enum.name}"] = {(v.name, v.number) for v in enum.value}

    def add_message(prefix, message):
        name = f"{prefix}.{message.name}"
        found[name] = "message"
        for field in message.field:
            oneof = (
                message.oneof_decl[field.oneof_index].name
                if field.HasField("oneof_index")
                else None
            )
            found[f"{name}.{field.name}"] = (
                field.number,
                descriptor_pb2.FieldDescriptorProto.Type.Name(field.type),
                descriptor_pb2.FieldDescriptorProto.Label.Name(field.label),
                field.type_name,
                oneof,
                field.options.packed if field.options.HasField("packed") else None,
            )
        for nested in message.nested_type:
            add_message(name, nested)
        for enum in message.enum_type:
            add_enum(name, enum)

    prefix = f".{file.package}"
    found["syntax"] = file.syntax
    for message in file.message_type:
        add_message(prefix, message)
    for enum in file.enum_type:
        add_enum(prefix, enum)
    return found


def differences(ours, official):
    for name in sorted(ours.keys() | official.keys()):
        if name not in official:
            yield f"{name}: ours only"
        elif name not in ours:
            if not any(name == out or name.startswith(out + ".") for out in LEFT_OUT):
                yield f"{name}: missing"
        elif ours[name] != official[name]:
            yield f"{name}: ours {ours[name]}, official {official[name]}"


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    out = tmp_path_factory.mktemp("proto") / "ours.binpb"
    files = sorted((ROOT / "proto").glob("*.proto"))
    subprocess.run(
        ["protoc-c", f"--proto_path={ROOT / 'proto'}", f"--descriptor_set_out={out}", *files],
        check=True,
    )
    parsed = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in parsed.file}


def wire_shape(file, message):
    """Numbers, types and labels of a message's fields."""
    found = next(m for m in file.message_type if m.name == message)
    return {(f.number, f.type, f.label) for f in found.field}


def load(module):
    imported = pytest.importorskip(module, reason=f"{module} is not installed")
    file = descriptor_pb2.FileDescriptorProto()
    imported.DESCRIPTOR.CopyToProto(file)
    return file


def test_every_file_has_an_official_one(ours):
    assert set(ours) == set(OFFICIAL)


@pytest.mark.parametrize("name", OFFICIAL)
def test_same_as_official(ours, name):
    official = flatten(load(OFFICIAL[name]))
    mine = flatten(ours[name])
    assert len(mine) > 1
    assert list(differences(mine, official)) == []


def test_responses_are_the_same_on_the_wire():
    """sonde decodes the responses of all signals as that of traces."""
    prefix = "opentelemetry.proto.collector"
    traces = load(f"{prefix}.trace.v1.trace_service_pb2")
    for name, module in [("Metrics", "metrics.v1.metrics_service_pb2"),
                         ("Profiles", "profiles.v1development.profiles_service_pb2")]:
        other = load(f"{prefix}.{module}")
        for part in "ServiceResponse", "PartialSuccess":
            assert (wire_shape(other, f"Export{name}{part}")
                    == wire_shape(traces, f"ExportTrace{part}"))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m.field[0], "number", 99),
        lambda m: setattr(m.field[0], "name", "other"),
        lambda m: setattr(m.field[0], "type", descriptor_pb2.FieldDescriptorProto.TYPE_INT32),
        lambda m: setattr(
            m.field[0], "label", descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        ),
        lambda m: m.field.add(name="extra", number=77, type=9, label=1),
        lambda m: m.field.pop(),
        lambda m: setattr(m.enum_type[0].value[1], "number", 9),
    ],
)
def test_a_difference_is_found(ours, change):
    """The comparison itself, on a damaged Span."""
    official = load(OFFICIAL["trace.proto"])
    damaged = descriptor_pb2.FileDescriptorProto()
    damaged.CopyFrom(ours["trace.proto"])
    change(next(m for m in damaged.message_type if m.name == "Span"))
    assert list(differences(flatten(damaged), flatten(official)))

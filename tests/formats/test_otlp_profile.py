# SPDX-License-Identifier: Apache-2.0
"""The OTLP request through the official descriptors: the rules, and what went in. And the checker of
those rules on requests that break them."""
import pytest
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

import frames
import profcheck

FRAME_TYPES = {frames.NATIVE: "native", frames.KERNEL: "kernel", frames.JIT: "jit",
               frames.CPYTHON: "cpython", frames.V8JS: "v8js", frames.ERROR: "error"}


@pytest.fixture
def request_(written):
    return profiles_service_pb2.ExportProfilesServiceRequest.FromString(
        (written / "profile.otlp").read_bytes())


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def test_follows_the_rules(request_):
    assert profcheck.violations(request_) == []


def test_every_sample(request_, truth):
    d = request_.dictionary

    def attributes(indices):
        return {d.string_table[d.attribute_table[i].key_strindex]:
                value_of(d.attribute_table[i].value) for i in indices}

    def frame(location):
        mapping = d.mapping_table[location.mapping_index]
        ids = attributes(mapping.attribute_indices)
        line = location.lines[0] if location.lines else None
        function = d.function_table[line.function_index] if line else d.function_table[0]
        return (d.string_table[function.name_strindex],
                d.string_table[function.system_name_strindex],
                d.string_table[function.filename_strindex], line.line if line else 0,
                location.address, d.string_table[mapping.filename_strindex],
                ids.get("process.executable.build_id.gnu", ""),
                ids.get("process.executable.build_id.htlhash", ""),
                attributes(location.attribute_indices).get("profile.frame.type"))

    def wanted_frame(f):
        known = f["buildId"] or f["hash"]
        return (f["name"] or ("" if known else "[unknown]"), f["system"], f["source"], f["line"],
                f["address"], f["file"] if known else "", f["buildId"], f["hash"],
                FRAME_TYPES[f["type"]])

    found = []
    for group in request_.resource_profiles:
        resource = {a.key: value_of(a.value) for a in group.resource.attributes}
        assert group.scope_profiles[0].scope.name == "sonde"
        profile, = group.scope_profiles[0].profiles
        for sample in profile.samples:
            link = d.link_table[sample.link_index]
            key = (resource.get("service.name", ""), resource.get("process.pid", 0),
                   tuple(sorted(attributes(sample.attribute_indices).items())),
                   link.trace_id.hex(), link.span_id.hex(),
                   tuple(frame(d.location_table[i])
                         for i in reversed(d.stack_table[sample.stack_index].location_indices)))
            found += [(time, *key) for time in sample.timestamps_unix_nano]
    wanted = [(s["time"], s["service"], s["pid"],
               (("cpu.logical_number", s["cpu"]), ("thread.id", s["tid"]),
                ("thread.name", s["thread"])),
               s["trace"], s["span"], tuple(map(wanted_frame, s["frames"]))) for s in truth]
    assert sorted(found) == sorted(wanted)


def first_profile(request):
    return request.resource_profiles[0].scope_profiles[0].profiles[0]


def add_copy(table, index=1):
    table.add().CopyFrom(table[index])


def unmerge(request):
    add_copy(first_profile(request).samples, 0)


def set_(message, field, value):
    setattr(message, field, value)


@pytest.mark.parametrize("said, damage", [
    ("no resource profiles", lambda r: r.ClearField("resource_profiles")),
    ("no scope profiles", lambda r: r.resource_profiles[0].ClearField("scope_profiles")),
    ("a scope without profiles",
     lambda r: r.resource_profiles[0].scope_profiles[0].ClearField("profiles")),
    ("key in both ways",
     lambda r: set_(r.resource_profiles[0].resource.attributes[0], "key_strindex", 1)),
    ("no key", lambda r: r.resource_profiles[0].resource.attributes[0].ClearField("key")),
    ("attribute_table: entry 0",
     lambda r: set_(r.dictionary.attribute_table[0], "unit_strindex", 1)),
    ("link_table: empty", lambda r: r.dictionary.ClearField("link_table")),
    ("string_table: entry 0", lambda r: r.dictionary.string_table.pop(0)),
    ("mapping_table: entry 0", lambda r: r.dictionary.mapping_table.pop(0)),
    ("location_table: entry 0", lambda r: set_(r.dictionary.location_table[0], "address", 1)),
    ("link_table: entry 0", lambda r: set_(r.dictionary.link_table[0], "span_id", bytes(7))),
    ("string_table: an entry twice",
     lambda r: r.dictionary.string_table.append(r.dictionary.string_table[1])),
    ("function_table: an entry twice", lambda r: add_copy(r.dictionary.function_table)),
    ("location_table: an entry twice", lambda r: add_copy(r.dictionary.location_table)),
    ("mapping_table: an entry twice", lambda r: add_copy(r.dictionary.mapping_table)),
    ("attribute_table: an entry twice", lambda r: add_copy(r.dictionary.attribute_table)),
    ("stack_table: an entry twice", lambda r: add_copy(r.dictionary.stack_table)),
    ("link_table: an entry twice", lambda r: add_copy(r.dictionary.link_table)),
    ("an orphan", lambda r: r.dictionary.string_table.append("nobody's")),
    ("an orphan", lambda r: r.dictionary.stack_table.add(location_indices=[1])),
    ("an orphan", lambda r: r.dictionary.link_table.add(trace_id=b"x" * 16, span_id=b"x" * 8)),
    ("an id of the wrong length", lambda r: set_(r.dictionary.link_table[1], "trace_id", b"x")),
    ("out of bounds", lambda r: set_(first_profile(r).samples[0], "stack_index", 9999)),
    ("out of bounds", lambda r: set_(first_profile(r).samples[0], "link_index", -1)),
    ("out of bounds", lambda r: r.dictionary.stack_table[1].location_indices.append(9999)),
    ("out of bounds", lambda r: set_(r.dictionary.function_table[1], "name_strindex", 9999)),
    ("refers to the empty location",
     lambda r: r.dictionary.stack_table[1].location_indices.append(0)),
    ("no build-id and no hash",
     lambda r: r.dictionary.mapping_table[1].ClearField("attribute_indices")),
    ("limit is not above", lambda r: set_(r.dictionary.mapping_table[1], "memory_limit", 0) or
     set_(r.dictionary.mapping_table[1], "memory_start", 1)),
    ("outside of its mapping", lambda r: set_(r.dictionary.mapping_table[1], "memory_limit", 1)),
    ("a line of no function",
     lambda r: set_(r.dictionary.location_table[1].lines[0], "function_index", 0)),
    ("a negative line", lambda r: set_(r.dictionary.location_table[1].lines[0], "line", -1)),
    ("no name", lambda r: r.dictionary.function_table[1].Clear()),
    ("an attribute key twice", lambda r: first_profile(r).samples[0].attribute_indices.append(
        first_profile(r).samples[0].attribute_indices[0])),
    ("no type or no unit", lambda r: first_profile(r).ClearField("sample_type")),
    ("no type or no unit", lambda r: first_profile(r).ClearField("period_type")),
    ("no samples", lambda r: first_profile(r).ClearField("samples")),
    ("neither values nor timestamps",
     lambda r: first_profile(r).samples[0].ClearField("timestamps_unix_nano")),
    ("differ in number", lambda r: first_profile(r).samples[0].values.extend([1] * 10000)),
    ("several shapes", lambda r: first_profile(r).samples[0].values.extend(
        [1] * len(first_profile(r).samples[0].timestamps_unix_nano))),
    ("not merged", unmerge),
    ("outside of the profile's time", lambda r: set_(first_profile(r), "duration_nano", 1)),
    ("outside of the profile's time",
     lambda r: first_profile(r).samples[0].timestamps_unix_nano.append(1)),
])
def test_a_broken_rule_is_found(request_, said, damage):
    damage(request_)
    assert any(said in violation for violation in profcheck.violations(request_))

# SPDX-License-Identifier: Apache-2.0
"""The pprof file: as pprof itself sums it up, and field by field."""
import collections
import gzip
import os
import pathlib
import re
import subprocess

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERIOD = 10101010


@pytest.fixture(scope="module")
def profile(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("proto") / "pprof.binpb"
    here = pathlib.Path(__file__).parent
    subprocess.run(["protoc-c", f"--proto_path={here}", f"--descriptor_set_out={out}",
                    here / "pprof.proto"], check=True)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    message = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("perftools.profiles.Profile"))
    parsed = message.FromString(gzip.decompress((written / "profile.pb.gz").read_bytes()))
    assert len(parsed.string_table) > 20
    return parsed


def test_head(profile):
    strings = profile.string_table
    assert strings[0] == ""
    assert [(strings[t.type], strings[t.unit]) for t in profile.sample_type] == [
        ("samples", "count"), ("cpu", "nanoseconds")]
    assert (strings[profile.period_type.type], strings[profile.period_type.unit]) == (
        "cpu", "nanoseconds")
    assert strings[profile.default_sample_type] == "cpu"
    assert profile.period == PERIOD
    assert profile.time_nanos == 1790000000000000000
    assert profile.duration_nanos == 3000 * PERIOD


def by_id(entries):
    found = {entry.id: entry for entry in entries}
    assert len(found) == len(entries) and 0 not in found
    return found


def test_every_sample(profile, truth):
    """Samples that agree in all but time and CPU are one."""
    strings = profile.string_table
    mappings, locations, functions = map(
        by_id, (profile.mapping, profile.location, profile.function))

    def frame(location):
        mapping = mappings.get(location.mapping_id)
        assert len(location.line) <= 1
        line = location.line[0] if location.line else None
        function = functions[line.function_id] if line else None
        if mapping:
            assert (mapping.memory_start, mapping.memory_limit) == (0, 2**64 - 1)
        return (strings[function.name] if function else "",
                strings[function.system_name] if function else "",
                strings[function.filename] if function else "", line.line if line else 0,
                location.address, strings[mapping.filename] if mapping else "",
                strings[mapping.build_id] if mapping else "")

    def wanted_frame(f):
        name = f["name"] or ("" if f["file"] else "[unknown]")
        return (name, f["system"] or name, f["source"], f["line"], f["address"], f["file"],
                f["buildId"] or f["hash"])

    found, count = {}, 0
    for sample in profile.sample:
        labels = {strings[label.key]: label.num or strings[label.str] for label in sample.label}
        assert len(labels) == len(sample.label)
        assert sample.value[1] == sample.value[0] * PERIOD
        key = (tuple(frame(locations[i]) for i in reversed(sample.location_id)),
               frozenset(labels.items()))
        assert key not in found
        found[key] = sample.value[0]
        count += sample.value[0]
    wanted = collections.Counter()
    for sample in truth:
        labels = {"service": sample["service"], "thread": sample["thread"], "pid": sample["pid"],
                  "tid": sample["tid"]}
        if int(sample["span"], 16):
            labels |= {"trace_id": sample["trace"], "span_id": sample["span"]}
        wanted[tuple(map(wanted_frame, sample["frames"])),
               frozenset((k, v) for k, v in labels.items() if v)] += 1
    assert count == len(truth)
    assert found == wanted


def test_mappings_with_names_are_marked(profile, truth):
    strings = profile.string_table
    named = {f["file"] for s in truth for f in s["frames"] if f["name"]} - {""}
    assert {strings[m.filename] for m in profile.mapping if m.has_functions} == named
    assert {strings[m.filename] for m in profile.mapping if not m.has_functions} == {
        "/opt/vendor/libcrypt;o.so.3", "/gone (deleted)"}
    assert "nginx" in strings[profile.mapping[0].filename]  # what pprof takes for the program


def test_pprof_itself_sums_it_up_alike(written, truth):
    """`go tool pprof -top`: samples in each function, and in it or what it called."""
    flat, cum = collections.Counter(), collections.Counter()
    for sample in truth:
        labels = [frames.label(f) for f in sample["frames"]]
        flat[labels[-1]] += 1
        cum.update(set(labels))
    done = subprocess.run(
        [ROOT / "tools/go", "tool", "pprof", "-top", "-sample_index=samples", "-symbolize=none",
         "-nodecount=1000", "-nodefraction=0", written / "profile.pb.gz"],
        check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PPROF_TMPDIR": str(written)})
    assert "Type: samples" in done.stdout
    assert "6000 total" in done.stdout
    rows = re.findall(r"^ +(\d+) +\S+% +\S+% +(\d+) +\S+%  (.+)$", done.stdout, re.M)
    found = {name: (int(own), int(all_)) for own, all_, name in rows}
    odd, = (name for name in cum if "\n" in name)  # its row is two lines
    assert {name: n for name, n in found.items() if name in cum} == {
        name: (flat[name], cum[name]) for name in cum if name != odd}
    assert len(found) == len(cum)

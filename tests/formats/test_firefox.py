# SPDX-License-Identifier: Apache-2.0
"""The file for profiler.firefox.com: every column and index as the format wants them, and the samples that went in.
With SONDE_PROFILER_CLI=PATH, of npm's @firefox-devtools/profiler-cli, that site's own importer reads it, too."""
import collections
import json
import os
import subprocess
import time
import uuid

import pytest

import frames

IMPORTER = os.environ.get("SONDE_PROFILER_CLI")
CATEGORIES = {frames.NATIVE: "Native", frames.KERNEL: "Kernel", frames.JIT: "JIT",
              frames.ERROR: "Stack cut"}
COLUMNS = {
    "stackTable": "frame prefix",
    "frameTable": "address inlineDepth category subcategory func nativeSymbol innerWindowID line column",
    "funcTable": "name isJS relevantForJS resource source lineNumber columnNumber",
    "resourceTable": "lib name host type",
    "nativeSymbols": "libIndex address name functionSize",
    "sources": "uuid filename",
}
INDICES = {  # of columns: what they point into, and what stands for none
    ("stackTable", "frame"): ("frameTable", ()), ("stackTable", "prefix"): ("stackTable", (None,)),
    ("frameTable", "func"): ("funcTable", ()), ("funcTable", "resource"): ("resourceTable", (-1,)),
    ("funcTable", "source"): ("sources", (None,)), ("funcTable", "name"): ("stringArray", ()),
    ("resourceTable", "name"): ("stringArray", ()), ("sources", "filename"): ("stringArray", ()),
    ("resourceTable", "lib"): ("libs", (None,)), ("frameTable", "category"): ("categories", ()),
}


@pytest.fixture(scope="module")
def profile(written):
    return json.loads((written / "profile.json").read_text())


@pytest.fixture(scope="module")
def shared(profile):
    return profile["shared"]


def test_columns(profile, shared):
    assert profile["meta"]["preprocessedProfileVersion"] == 60
    assert set(shared) == {*COLUMNS, "stringArray"}
    for name, columns in COLUMNS.items():
        table = shared[name]
        assert set(table) == {"length", *columns.split()}
        assert {len(table[column]) for column in columns.split()} == {table["length"]}
    for thread in profile["threads"]:
        samples = thread["samples"]
        assert len(samples["stack"]) == len(samples["time"]) == len(samples["threadCPUDelta"]) \
            == samples["length"] > 0
        assert samples["weight"] is None and samples["weightType"] == "samples"
        assert thread["markers"]["length"] == 0 and isinstance(thread["pid"], str)


def test_indices(profile, shared):
    room = {name: shared[name]["length"] for name in COLUMNS}
    room |= {"stringArray": len(shared["stringArray"]), "libs": len(profile["libs"]),
             "categories": len(profile["meta"]["categories"])}
    for (table, column), (target, none) in INDICES.items():
        for index in shared[table][column]:
            assert index in none or 0 <= index < room[target], (table, column, index)
    stacks = shared["stackTable"]
    for node, prefix in enumerate(stacks["prefix"]):
        assert prefix is None or prefix < node
    assert len(set(zip(stacks["frame"], stacks["prefix"]))) == stacks["length"]
    functions = shared["funcTable"]
    assert len(set(zip(*(functions[c] for c in ("name", "resource", "source"))))) \
        == functions["length"]
    assert all(isinstance(text, str) for text in shared["stringArray"])
    for thread in profile["threads"]:
        assert all(0 <= stack < stacks["length"] for stack in thread["samples"]["stack"])
        assert thread["samples"]["time"] == sorted(thread["samples"]["time"])


def test_categories(profile):
    """The first grey one is what frames without any belong to."""
    categories = profile["meta"]["categories"]
    assert categories[0] == {"name": "Other", "color": "grey", "subcategories": ["Other"]}
    assert all(category["subcategories"][0] == "Other" for category in categories)
    assert {c["color"] for c in categories} <= {
        "transparent", "purple", "green", "orange", "yellow", "lightblue", "blue", "brown", "magenta",
        "red", "lightred", "darkgrey", "grey"}
    assert len({c["name"] for c in categories}) == len(categories)


def stack_of(profile, node):
    """(name, file, source, line, category, address) from the root on."""
    shared, found = profile["shared"], []
    table, functions, strings = shared["frameTable"], shared["funcTable"], shared["stringArray"]
    while node is not None:
        frame = shared["stackTable"]["frame"][node]
        function = table["func"][frame]
        resource, source = functions["resource"][function], functions["source"][function]
        lib = None if resource < 0 else profile["libs"][shared["resourceTable"]["lib"][resource]]
        found.append((strings[functions["name"][function]], lib and lib["path"],
                      None if source is None else strings[shared["sources"]["filename"][source]],
                      table["line"][frame],
                      profile["meta"]["categories"][table["category"][frame]]["name"],
                      table["address"][frame]))
        node = shared["stackTable"]["prefix"][node]
    return tuple(reversed(found))


def wanted_stack(sample):
    return tuple((frames.label(f), f["file"] or None, f["source"] or None, f["line"] or None,
                  CATEGORIES[f["type"]],
                  f["address"] if f["type"] == frames.NATIVE and f["file"] else -1)
                 for f in sample["frames"])


def test_every_sample(profile, truth):
    """Of each thread, in order of time."""
    wanted = collections.defaultdict(list)
    start = profile["meta"]["startTime"]
    for sample in truth:
        wanted[str(sample["pid"]), sample["tid"]].append(sample)
    threads = {(thread["pid"], thread["tid"]): thread for thread in profile["threads"]}
    assert len(threads) == len(profile["threads"]) and threads.keys() == wanted.keys()
    known = {}
    for key, samples in wanted.items():
        thread = threads[key]
        assert thread["name"] == samples[-1]["thread"]
        assert thread["processName"] == (samples[-1]["service"] or "kernel threads")
        assert thread["isMainThread"] == (int(key[0]) == key[1])
        assert [start + t for t in thread["samples"]["time"]] == pytest.approx(
            [s["time"] / 1e6 for s in samples], abs=0.001, rel=0)
        found = [known.setdefault(node, stack_of(profile, node))
                 for node in thread["samples"]["stack"]]
        assert found == [wanted_stack(sample) for sample in samples]


def test_libraries(profile, truth):
    """A build-id is a GUID to Breakpad, whose first fields are numbers of the file's byte order."""
    ids = {f["file"]: f["buildId"] for sample in truth for f in sample["frames"] if f["file"]}
    assert {lib["path"] for lib in profile["libs"]} == set(ids)
    for lib in profile["libs"]:
        build_id = ids[lib["path"]]
        assert lib["codeId"] == (build_id or None)
        guid = uuid.UUID(bytes_le=bytes.fromhex(build_id.ljust(32, "0")[:32])).hex.upper()
        assert lib["breakpadId"] == (guid + "0" if build_id else "")


def importer_agrees(written, truth, tmp_path):
    """Threads and the functions of the busiest, as the site itself has them."""
    env = {**os.environ, "PROFILER_CLI_SESSION_DIR": str(tmp_path)}

    def ask(*args):
        return subprocess.run(["node", IMPORTER, *map(str, args), "--session", "test"], env=env,
                              text=True, timeout=60, capture_output=True)

    ask("load", written / "profile.json")  # it may say that its daemon is slow to start
    end = time.monotonic() + 60
    while (listed := ask("thread", "list", "--json")).returncode:
        assert time.monotonic() < end, listed.stderr
    functions = ask("thread", "functions", "--json")
    ask("stop")
    listed, functions = json.loads(listed.stdout), json.loads(functions.stdout)
    counts = collections.Counter((str(s["pid"]), s["tid"]) for s in truth)
    assert len(listed["threads"]) == len(counts)
    busiest, count = counts.most_common(1)[0]
    mine = [s for s in truth if (str(s["pid"]), s["tid"]) == busiest]
    leaves = collections.Counter(frames.label(s["frames"][-1]) for s in mine)
    own = collections.Counter()
    for function in functions["functions"]:
        own[function["name"]] += function["selfSamples"]
    assert {name: n for name, n in own.items() if n} == leaves and sum(own.values()) == count


if IMPORTER:
    test_importer = importer_agrees

# SPDX-License-Identifier: Apache-2.0
"""Inlined functions and lines of native code in profiles: what addr2line says, and what the program knows."""
import re
import subprocess

import pytest

import profcheck
from servers import WORKLOADS
from test_profile import assert_share
from traced import ROOT, Account, run, wait_for

CHAINS = ["most", "some", "little"]
COMPILERS = {
    "c": ["gcc", "-O2", "-g", "-Wl,--build-id"],
    "cpp": ["g++", "-O2", "-g"],
    "rs": ["rustc", "-O", "-g"],
}


def separate(program):
    """Leaves the debug information in a file beside it."""
    debug = program.with_suffix(".debug")
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program], check=True)
    return debug


@pytest.fixture(scope="module", params=COMPILERS)
def built(request, tmp_path_factory):
    """The program, its source, and the file with its debug information."""
    source = WORKLOADS / f"inlined.{request.param}"
    program = tmp_path_factory.mktemp("build") / "inlined"
    subprocess.run([*COMPILERS[request.param], "-o", program, source], check=True)
    return program, source, separate(program) if request.param == "c" else program


@pytest.fixture(scope="module")
def profiled(built, collector, tmp_path_factory):
    """What the program says of its chains, pprof's file, and the request as the Collector got it."""
    program, _, _ = built
    out, before = tmp_path_factory.mktemp("out") / "out.pb.gz", len(collector.profiles())
    done = run("profile", "--json", "--freq", "999", "--export", collector.url, "-o", out, "--", program, "1", timeout=60)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: len(collector.profiles()) > before, "the profile to arrive")
    return (dict(zip(CHAINS, map(int, done.stdout.splitlines()[0].split()))), out, collector.profiles()[-1],
            Account.read(done.stderr))


def from_pprof(path, program):
    """How often each stack was seen, innermost first: of each location the address (None: not the program's) and the
    frames, innermost first: name as in the symbol table, path, line."""
    raw = subprocess.run([ROOT / "tools/go", "tool", "pprof", "-raw", path], check=True, text=True,
                         capture_output=True).stdout
    raw, mappings = raw.split("\nMappings\n")
    samples, raw = raw.split("\nLocations\n")
    own = re.search(rf"^(\d+): \S+ {re.escape(str(program))} ", mappings, re.M)[1]
    found = {}
    for line in raw.splitlines():
        if match := re.match(r" *(\d+): 0x(\w+) (?:M=(\d+) )?", line):
            frames = []
            found[match[1]] = (int(match[2], 16), match[3] == own, frames)
            line = line[match.end():]
        if match := re.match(r"\s*(.*) (\S*):(\d+):\d+ s=\d+(?:\((.*)\))?$", line):
            frames.append((match[4] or match[1], match[2], int(match[3])))
    for count, stack in re.findall(r"^ +(\d+) +\d+: ([\d ]+)$", samples, re.M):
        yield int(count), [found[i] for i in stack.split()]


def from_otlp(request, program):
    """The same."""
    d = request.dictionary

    def location(i):
        l = d.location_table[i]
        functions = [(d.function_table[line.function_index], line.line) for line in l.lines]
        own = d.string_table[d.mapping_table[l.mapping_index].filename_strindex] == str(program)
        return l.address, own, [
            (d.string_table[f.system_name_strindex or f.name_strindex], d.string_table[f.filename_strindex], line)
            for f, line in functions]

    for group in request.resource_profiles:
        for sample in (s for scope in group.scope_profiles for p in scope.profiles for s in p.samples):
            yield (len(sample.timestamps_unix_nano),
                   [location(i) for i in d.stack_table[sample.stack_index].location_indices])


def addr2line(file, addresses):
    """The frames at addresses, by binutils."""
    out = subprocess.run(["addr2line", "-a", "-i", "-f", "-e", file], check=True, text=True,
                         input="\n".join(map(hex, addresses)), capture_output=True).stdout
    found = {}
    lines = iter(out.splitlines())
    for line in lines:
        if line.startswith("0x"):
            frames = found[int(line, 16)] = []
        else:
            path, number = next(lines).split(" (disc")[0].rsplit(":", 1)
            frames.append((line, path.replace("??", ""), int(number.replace("?", "0"))))
    return found


def looked_up(stacks):
    """Of each of the program's addresses where it is to be looked up, and its frames."""
    for _, stack in stacks:
        user = [location for location in stack if location[0] < 1 << 47]
        for i, (address, own, frames) in enumerate(user):
            if own:
                yield address - (i > 0), frames


@pytest.mark.parametrize("form", ["pprof", "otlp"])
def test_as_addr2line_says(built, profiled, form):
    program, _, debug = built
    _, out, request, _ = profiled
    found = list(looked_up(from_pprof(out, program) if form == "pprof" else from_otlp(request, program)))
    want = addr2line(debug, sorted({address for address, _ in found}))
    for address, frames in found:
        assert frames == [frame for frame in want[address] if frame[0] != "??"], hex(address)
    assert max(len(frames) for _, frames in found) >= 4


def test_shares_and_lines(built, profiled):
    program, source, _ = built
    truth, out, request, account = profiled
    text = source.read_text().splitlines()
    counts, whole, checked = dict.fromkeys(CHAINS, 0), 0, 0
    for count, stack in from_otlp(request, program):
        frames = [frame for _, own, frames in stack if own for frame in frames]
        names = ";".join(name for name, _, _ in frames)
        chain = [chain for chain in CHAINS if f"outer_{chain}" in names]
        assert len(chain) <= 1, names
        if not chain:
            continue
        counts[chain[0]] += count
        whole += count * bool(re.search(f"burn.*inner_{chain[0]}.*outer_{chain[0]}.*main", names))
        for called, (name, path, line) in zip(frames, frames[1:]):
            function = re.search("(burn|inner_|outer_|called_)", called[0])
            if function and "burn" not in name and path == str(source):
                assert function[1] in text[line - 1], (called, name, line)
                checked += 1
    for chain in CHAINS:
        assert_share(counts[chain], sum(counts.values()), truth[chain] / sum(truth.values()), chain)
    assert whole > 0.98 * sum(counts.values()) > 0 and checked > 10
    assert account["source_lines"] > 5 and not any(name.startswith("source_lines_lost") for name in account), account


def test_the_request_keeps_the_rules(profiled):
    assert profcheck.violations(profiled[2]) == []

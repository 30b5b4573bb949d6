# SPDX-License-Identifier: Apache-2.0
"""Python's frames in profiles, compared with what the program measured of itself.

SONDE_PYTHONS="PYTHON..." takes these instead of the distribution's."""
import json
import os
import re
import subprocess

import pytest

from servers import WORKLOADS
from test_profile import assert_share
from traced import ROOT, Profile, wait_for

PROGRAM = WORKLOADS / "pyshares.py"
PYTHONS = os.environ.get("SONDE_PYTHONS", "/usr/bin/python3").split()
# What is below each, itself first. Until 3.10 functions have their plain names; since 3.12 a comprehension is no
# function.
CHAINS = {
    "nested": ["nested", "middle", "leaf"],
    "method": [r"(Burner\.)?method", r"(Burner\.)?inner", r"(Burner\.inner\.<locals>\.)?<listcomp>"],
    "consume": ["consume", "produce"],
    "compress": ["compress"],
    "callback": ["callback", r"(callback\.<locals>\.)?<lambda>"],
    "recurse": ["recurse"] * 13 + ["leaf"],
    "lines": ["lines"],
}
ROOTS = re.compile(r"(<module>;main|(Thread\.)?_bootstrap;(Thread\.)?_bootstrap_inner;(Thread\.)?run;in_thread);work")
LOCATION = re.compile(r"\s*(\d+): 0x\w+ (?:M=\d+ )?(.*) (\S*):(\d+):\d+ s=\d+(?:\((.*)\))?$")


def stacks_of(path):
    """Of each stack, from the root on, names, files and lines; and how often it was seen."""
    raw = subprocess.run([ROOT / "tools/go", "tool", "pprof", "-raw", path], check=True, text=True,
                         capture_output=True).stdout
    samples, locations = raw.split("\nLocations\n")
    found = {}
    for line in locations.splitlines():
        if match := LOCATION.match(line):
            found[match[1]] = match[5] or match[2], match[3], int(match[4])
    for count, stack in re.findall(r"^ +(\d+) +\d+: ([\d ]+)$", samples, re.M):
        yield [found.get(i, ("", "", 0)) for i in reversed(stack.split())], int(count)


def python_frames(frames):
    return [frame for frame in frames if frame[1].endswith(".py")]


def fits(names, chain):
    """The names are the chain, or its beginning."""
    return len(names) <= len(chain) and all(map(re.fullmatch, chain, names))


def profile_shares(command, directory):
    """Profiles a program that works when a line has come: its pid, what it says, the stacks while it
    worked, and the account."""
    out = directory / "out.pb.gz"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, cwd=directory) as program:
        assert program.stdout.readline() == "ready\n"
        with Profile(directory, "-p", program.pid, "--freq", "499", "-o", out) as running:
            program.stdin.write("go\n")
            program.stdin.flush()
            truth = json.loads(program.stdout.readline())
            running.stop()
    return program.pid, truth, list(stacks_of(out)), running.account


@pytest.fixture(scope="module", params=PYTHONS)
def profiled(request, tmp_path_factory):
    """What the program says, the stacks while it worked, and the account."""
    return profile_shares([request.param, "-S", PROGRAM, "3"], tmp_path_factory.mktemp("python"))[1:]


def working(stacks):
    """Names, files and lines of the Python frames below work(), and how often."""
    for frames, count in stacks:
        python = python_frames(frames)
        match = ROOTS.match(";".join(name for name, _, _ in python))
        if match and len(python) > match[0].count(";") + 1:
            yield python[match[0].count(";") + 1:], frames, count


def test_shares(profiled):
    truth, stacks, _ = profiled
    counts = dict.fromkeys(truth, 0)
    for python, _, count in working(stacks):
        name = python[0][0].split(".")[-1]
        if name in counts:  # else it measures
            counts[name] += count
    for name, ns in truth.items():
        assert_share(counts[name], sum(counts.values()), ns / sum(truth.values()), name)


def test_callers(profiled):
    """Whatever runs below a function is on the one way that leads on from it."""
    _, stacks, _ = profiled
    seen, deepest = dict.fromkeys(CHAINS, 0), dict.fromkeys(CHAINS, 0)
    for python, _, count in working(stacks):
        names = [name for name, _, _ in python]
        function = names[0].split(".")[-1]
        if function in CHAINS:
            chain = CHAINS[function]
            assert fits(names, chain), names
            seen[function] += count
            deepest[function] += count * (len(names) == len(chain) or names[-1].endswith("inner"))
    for function, count in seen.items():
        assert deepest[function] > (0.2 if function == "callback" else 0.5) * count, (function, seen, deepest)


def test_native_frames_are_in_place(profiled):
    """zlib is below the function that calls it; what sorts is between the two that it calls, and is called by."""
    _, stacks, _ = profiled
    zlib, sort = [], []
    for python, frames, count in working(stacks):
        names = [name for name, _, _ in frames]
        if python[-1][0] == "compress":
            zlib.append((count, any(re.match("deflate|adler32|crc32", name)
                                    for name in names[names.index("compress"):])))
        if python[-1][0].endswith("<lambda>"):
            at = names.index("callback")
            sort.append((count, frames[at + 1][1] == "" and frames[at + 1][0] != python[-1][0]))
    for found in zlib, sort:
        total = sum(count for count, _ in found)
        assert total > 50 and sum(count for count, good in found if good) > 0.9 * total, found


def test_lines(profiled):
    """The hot line, and those that call."""
    _, stacks, _ = profiled
    text = PROGRAM.read_text().splitlines()
    hot, total, wrong = 0, 0, 0
    for python, _, count in working(stacks):
        assert all(path == str(PROGRAM) for _, path, _ in python), python
        if python[0][0] == "lines":
            hot += count * ("90000" in text[python[0][2] - 1])
            total += count
        for (name, _, line), callee in zip(python, python[1:]):
            called = callee[0].split(".")[-1]
            wrong += count * ((called if called[0] != "<" else "") not in text[line - 1])
    assert wrong <= 0.001 * sum(count for _, _, count in working(stacks))
    assert_share(hot, total, 0.75, "the hot line")


def test_whole(profiled):
    """All Python threads have frames to where they began."""
    _, stacks, account = profiled
    known = account["samples"] - account.get("python_stacks_without.not_yet_known", 0)
    assert account["python_stacks"] >= 0.99 * known, account
    assert account.get("python_frames_unreadable", 0) <= 0.001 * known, account
    rooted = sum(count for frames, count in stacks
                 if (python_frames(frames) or [[""]])[0][0] in
                 ("<module>", "_bootstrap", "Thread._bootstrap"))
    assert rooted >= 0.99 * known, (rooted, account)


def test_a_line_for_each(tmp_path):
    """In text a frame is its file and its function."""
    out = tmp_path / "out.folded"
    with subprocess.Popen([PYTHONS[0], "-c", "import time\nwhile True: time.monotonic()"]) as program:
        with Profile(tmp_path, "-p", program.pid, "--freq", "499", "--duration", "1", "-o", out) as running:
            wait_for(lambda: running.process.poll() is not None, "the profile to end", 20)
        program.kill()
    assert re.search(r";<string>:<module>(;.*)? \d+$", out.read_text(), re.M), out.read_text()

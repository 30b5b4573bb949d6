# SPDX-License-Identifier: Apache-2.0
"""JavaScript functions of Node.js in profiles, compared with what the program measured of itself.

SONDE_NODES="NODE..." takes these instead of the one on the path."""
import os
import pathlib
import re

import pytest

from servers import WORKLOADS
from test_profile import assert_share
from test_python_profile import profile_shares

PROGRAM = WORKLOADS / "nodeshares.js"
PIECES = WORKLOADS / "nodeshares_pieces.js"
NODES = os.environ.get("SONDE_NODES", "node").split()
MODES = {"optimised": ["--perf-basic-prof"], "baseline": ["--no-opt", "--always-sparkplug"],
         "interpreted": ["--jitless"]}
# What is below each, itself first.
CHAINS = {
    "nested": ["nested", "middle", "leaf"],
    "method": ["method", "inner"],
    "closure": ["closure", "inside"],
    "callback": ["callback", "(anonymous)"],
    "recurse": ["recurse"] * 9 + ["leaf"],
    "later": ["later", "leaf"],
    "code": ["code"],
}


def defined(name):
    """The line of the file from which on a function is that name."""
    pattern = {"inner": r"^  inner\(", "(anonymous)": r"forEach\("}.get(name, rf"function {re.escape(name)}\(")
    lines = PIECES.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if re.search(pattern, line))


def follows(names, chain):
    """The names are some of the chain's, in its order, the first one first."""
    rest = iter(chain)
    return names[0] == chain[0] and all(name in rest for name in names)


@pytest.fixture(scope="module", params=[(node, mode) for node in NODES for mode in MODES],
                ids=lambda p: f"{pathlib.Path(p[0]).name}-{p[1]}")
def profiled(request, tmp_path_factory):
    """How, what the program says, the stacks while it worked, the account, and V8's own names."""
    node, mode = request.param
    pid, truth, stacks, account = profile_shares([node, *MODES[mode], PROGRAM, "1.5"],
                                                 tmp_path_factory.mktemp("node"))
    own = pathlib.Path(f"/tmp/perf-{pid}.map")
    names = own.read_text(errors="replace") if own.exists() else None
    own.unlink(missing_ok=True)
    return mode, truth, stacks, account, names


def javascript(frames):
    """Of what new Function() makes there is no name and no file."""
    for name, path, line in frames:
        if (name, path, line) == ("(anonymous)", "", 1):
            yield "code", path, line
        elif path.endswith(".js") or path.startswith("node:"):
            yield name, path, line


def working(stacks):
    """The JavaScript frames from a function of CHAINS on, and how often; not where one could not be
    read (test_whole bounds those)."""
    for frames, count in stacks:
        if any(name == "[v8: unreadable]" for name, _, _ in frames):
            continue
        called = [frame for frame in javascript(frames) if frame[1] != str(PROGRAM) and not frame[1].startswith("node:")]
        if called:
            yield called, count


def test_shares(profiled):
    _, truth, stacks, _, _ = profiled
    counts = dict.fromkeys(truth, 0)
    for called, count in working(stacks):
        if called[0][0] in counts:
            counts[called[0][0]] += count
    for name, us in truth.items():
        assert_share(counts[name], sum(counts.values()), us / sum(truth.values()), name)


def test_names(profiled):
    """Whatever runs below a function is on the one way that leads on from it, and begins in its line."""
    mode, _, stacks, _, _ = profiled
    lines = {name: defined(name) for chain in CHAINS.values() for name in chain if name != "code"}
    seen, deepest = dict.fromkeys(CHAINS, 0), dict.fromkeys(CHAINS, 0)
    for called, count in working(stacks):
        names = [name for name, _, _ in called]
        chain = CHAINS[names[0]]
        assert follows(names, chain) if mode == "optimised" else names == chain[:len(names)], names
        for name, path, line in called:
            assert name == "code" or (path, line) == (str(PIECES), lines[name]), (name, path, line)
        seen[names[0]] += count
        deepest[names[0]] += count * (names[-1] == chain[-1] or names[0] == "later")
    for name, count in seen.items():
        assert count > 20 and (mode != "interpreted" or deepest[name] > 0.5 * count), (seen, deepest)


def test_v8_says_the_same(profiled):
    """The program's names, files and lines are among those that V8 itself has written down."""
    mode, _, stacks, _, own = profiled
    if mode != "optimised":
        return
    assert own, "V8 has written no perf map"
    known, compared = set(), 0
    for match in re.finditer(r"^\w+ \w+ (?:JS|LazyCompile|Function|Script|Eval):[~*^+?']*(\S* ?\S*) (.*?):(\d+)(?::\d+)?$",
                             own, re.M):
        known.add((match[1], match[2], int(match[3])))
    for frames, _ in stacks:
        for name, path, line in javascript(frames):
            name = "" if name in ("(anonymous)", "code") else name
            assert path.startswith("node:") or (name, path, line) in known, (name, path, line)
            compared += not path.startswith("node:")
    assert compared > 20


def test_whole(profiled):
    _, _, stacks, account, _ = profiled
    looked_at = account["samples"] - account.get("samples_lost.behind", 0) - account.get("stacks_cut.not_yet_known", 0)
    assert account.get("stacks_whole", 0) >= 0.99 * looked_at, account
    entered = bare = 0
    # V8's compiler and collector have threads of their own, and what awaits is resumed by builtins.
    for frames, count in stacks:
        if any(name.startswith("Builtins_JSEntry") for name, _, _ in frames):
            entered += count
            bare += count * (not any(javascript(frames)))
    assert entered > 500, (entered, account)
    assert bare <= account.get("javascript_stacks_without.not_yet_known", 0) + 0.1 * entered, (bare, entered, account)
    frames = sum(len(list(javascript(frames))) * count for frames, count in stacks)
    unnamed = sum(n for key, n in account.items() if key.startswith("javascript_frames_unnamed"))
    assert unnamed <= 0.01 * frames, (unnamed, frames, account)

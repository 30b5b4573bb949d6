# SPDX-License-Identifier: Apache-2.0
"""Stacks of programs without frame pointers: each is what the program's text says, up to its thread's start."""
import collections
import re
import shutil
import subprocess

import pytest

from servers import WORKLOADS
from traced import ROOT, Account, run

TOOLS = ROOT / "tools"
OPTIONS = ["-O2", "-fomit-frame-pointer", "-pthread"]
LIBRARY = """
    static volatile int sink;
    void in_library(void (*call)(double), double end) { call(end); sink++; }
"""
TRAMPOLINE = r"(__restore_rt|\[[^];]+\])"
START = r"(\[\w+\]|_start);(\w+;)*main"  # a program without symbols begins at its own name
# What is below a leaf, from the root on. A frame in brackets is one of the linker's, which has no name.
CHAINS = {
    "plain": f"{START};plain_1;plain_2;plain_3",
    "aligned": f"{START};aligned_1;aligned_2;aligned_3",
    "deep": r"\[too deep\];(deep_n;)+deep_n",
    # The trampoline, below which is where the program was interrupted.
    "signal": rf"{START};signal_1;[\w.;]*{TRAMPOLINE};signal_handler",
    "async": rf"{START};async_1(;async_2(;async_3)?|;[\w.;]*clock_gettime|;\[[\w-]+\])?;{TRAMPOLINE};async_handler",
    "compare": f"{START};compare_1;[\\w.;]+;compare_2",
    "thread": r"\w*clone\w*;(\w+;)?start_thread;run_thread;thread_1;thread_2",
    "library": f"{START};call_library;in_library;library_2",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("unwind")


@pytest.fixture(scope="module")
def library(directory):
    path = directory / "library.so"
    subprocess.run(["gcc", *OPTIONS, "-shared", "-fPIC", "-x", "c", "-o", path, "-"], check=True,
                   input=LIBRARY, text=True)
    return path


def build(directory, source, name, *options, compiler="gcc"):
    path = directory / name
    subprocess.run([compiler, *OPTIONS, *options, "-o", path, WORKLOADS / source], check=True)
    return path


def stacks(directory, *command, freq=997, timeout=60):
    """The user's part of each stack, from the root on, with how often it was seen; and the account."""
    out = directory / "out.folded"
    done = run("profile", "--json", "--freq", freq, "-o", out, "--", *command, timeout=timeout)
    assert done.returncode == 0, done.stderr
    found = collections.Counter()
    for line in out.read_text().splitlines():
        stack, count = line.rsplit(" ", 1)
        frames = stack.split(";")[1:]
        found[";".join(f for f in frames if not f.endswith(("_[k]", "_[i]")))] += int(count)
    account = Account.read(done.stderr)
    assert account.samples_lost == 0, account
    return found, account


def share(account, *also):
    """Of the samples, how many reach the start of their thread, or end in one of those ways."""
    whole = account.get("stacks_whole", 0) + sum(account.get(f"stacks_cut.{name}", 0)
                                                 for name in also)
    return whole / account["samples"]


def assert_chains(found, names):
    """Whatever is above a leaf is as it must be: one wrong stack is one too many."""
    for name in names:
        seen = {s: n for s, n in found.items() if re.search(rf"(^|;){name}_leaf(;|$)", s)}
        wrong = {s: n for s, n in seen.items()
                 if not re.match(rf"{CHAINS[name]};{name}_leaf(;|$)", s)}
        # What is cut says so; at the start a little is, before the tables are there.
        cut = {s: n for s, n in wrong.items() if s.startswith("[")
               and "[unknown caller]" not in s and name != "deep"}
        assert sum(seen.values()) > 20, (name, found)
        assert not set(wrong) - set(cut), (name, wrong)
        assert sum(cut.values()) <= 0.01 * sum(seen.values()), (name, cut)


@pytest.mark.parametrize("kind", ["dynamic", "static", "static-pie", "clang"])
def test_chains(directory, library, kind):
    options = {"dynamic": ["-pie"], "static": ["-static"], "static-pie": ["-static-pie"],
               "clang": []}[kind]
    program = build(directory, "stacks.c", kind, "-w", *options,
                    compiler="clang" if kind == "clang" else "gcc")
    names = set(CHAINS) - (set() if kind in ("dynamic", "clang") else {"library"})
    found, account = stacks(directory, program, 0.2, library if "library" in names else "")
    assert_chains(found, names)
    assert share(account, "depth") >= 0.99, account


def test_stripped(directory, library):
    """No symbols and no section headers: what the loader uses is enough."""
    program = build(directory, "stacks.c", "stripped", "-w", "-s")
    bare = directory / "bare"
    shutil.copy(program, bare)
    contents = bytearray(bare.read_bytes())
    contents[0x28:0x30] = bytes(8)  # where the section headers are
    contents[0x3c:0x40] = bytes(4)  # how many, and which has their names
    bare.write_bytes(contents)
    for path in program, bare:
        found, account = stacks(directory, path, 0.2, library)
        assert share(account, "depth") >= 0.99, account
        assert sum(n for s, n in found.items() if "start_thread" in s) > 20, found


def test_exceptions(directory):
    """The C++ library's unwinder, unwound."""
    program = build(directory, "throw.cpp", "throw", compiler="g++")
    found, account = stacks(directory, program, 4)
    raising = {s: n for s, n in found.items() if "_Unwind_RaiseException" in s}
    assert share(account) >= 0.98, account
    assert sum(raising.values()) > 400, found
    # Where the unwinder jumps to a handler, what the compiler says of its stack is not true: a cut or two.
    assert sum(n for s, n in raising.items() if s.startswith("[")) <= 0.02 * sum(raising.values())
    for stack in raising:
        assert stack.startswith(("[unknown caller]", "[unreadable stack]")) or re.match(rf"{START};catcher\(?\)?;(thrower[^;]*;){{6}}", stack), stack


@pytest.mark.parametrize("flags", [[], ["-ldflags=-s -w"], ["-buildmode=pie"]],
                         ids=["plain", "stripped", "pie"])
def test_go(directory, flags):
    """Its code has no call frame information; its own table does as well. Names are in it, too."""
    program = directory / "gostacks"
    subprocess.run([TOOLS / "go", "build", *flags, "-o", program, "./gostacks"], check=True,
                   cwd=WORKLOADS)
    found, account = stacks(directory, program, 1)
    # A copy of one stack does not lead to the goroutine's when the runtime runs on its own. And what runs while a
    # goroutine's stack is made larger has lost its way.
    assert share(account, "unsupported", "not_yet_known") >= 0.99 and share(account) >= 0.9, account
    if "-s -w" in "".join(flags):
        return
    inner = {s: n for s, n in found.items() if re.search(r";main\.(inner|leaf|tiny)(;|$)", s)}
    assert sum(inner.values()) > 100, found
    for stack in inner:
        assert re.match(r"(runtime\.goexit\S*;main\.main\.\S+;(main\.main\.func1;)?main\.outer;main\.inner"
                        r"|\[not yet known\];)", stack), stack


def test_code_that_grows(directory):
    """Memory that becomes code while it may be written is no mapping of which the kernel tells anybody."""
    program = build(directory, "jit_grows.c", "jit_grows")
    found, account = stacks(directory, program, 12, 0.2, freq=199)
    assert account["samples"] > 200
    assert share(account) >= 0.99, (account, found)


@pytest.mark.parametrize("command", [
    ["python3", "-S", "-c", "import json, re\nfor i in range(12000):\n"
     " json.loads(json.dumps({'a': [1, 2, 3] * 100})); re.sub('a+', 'b', 'aaabb' * 50)"],
    ["node", "-e", "const end = Date.now() + 1500; let n = 0; while (Date.now() < end) "
     "n += require('crypto').createHash('sha256').update(JSON.stringify({n})).digest('hex').length"],
    ["openssl", "speed", "-seconds", "1", "-bytes", "4096", "-evp", "aes-256-gcm"],
], ids=lambda command: command[0])
def test_real_programs(directory, command):
    path = shutil.which(command[0])
    if command[0] == "python3":  # not a script that starts it
        path = "/usr/bin/python3"
    found, account = stacks(directory, path, *command[1:], freq=499)
    assert account["samples"] > 200
    least = 0.95 if command[0] == "node" else 0.99  # much of it runs code in no file
    assert share(account) >= least, (account, [s for s in found if s.startswith("[")][:20])

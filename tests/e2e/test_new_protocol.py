# SPDX-License-Identifier: Apache-2.0
"""What tools/new-protocol writes builds, is clean and passes its own tests as it stands. In a copy of
the tree that has little more than what it needs; all else is linked as it was built."""
import os
import shutil
import subprocess

import pytest

from traced import ROOT

NAME = "quote_of_day"
COPIED = ["tools", "include", "tests/unit/protocol_rig.h", "tests/unit/trace_text.h",
          "tests/requirements.txt", "Makefile", "user/protocols/dns.c", ".clang-format", ".clang-tidy",
          *(f"tests/e2e/{name}.py" for name in
            ("checks", "clients", "conftest", "gateway", "net", "servers", "tls", "traced"))]
LINTS = ["format", "layers", "size", "banned", "head", "names", "analysis"]


def run(*command, cwd, **more):
    done = subprocess.run([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def flags(name):
    """A variable of the Makefile."""
    alone = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return run("make", "-s", "--eval", f"show: ; @echo $({name})", "show", cwd=ROOT,
               env=alone).split()


@pytest.fixture
def tree(tmp_path):
    """A copy of the tree. What is built stays where it is."""
    top = tmp_path / "sonde"
    headers = [path.relative_to(ROOT) for path in ROOT.glob("user/**/*.h")]
    for name in [*COPIED, *headers]:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, top / name)
    return top


@pytest.mark.parametrize("name, why", [
    ("dns", "user/protocols/dns.c exists already"), ("Quote", "is no name"), ("9p", "is no name"),
    ("../quote", "is no name"), ("x" * 25, "is no name")])
def test_names_that_cannot_be(tree, name, why):
    before = sorted(tree.rglob("*"))
    done = subprocess.run([tree / "tools/new-protocol", name], capture_output=True, text=True)
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert sorted(tree.rglob("*")) == before


def test_name_of_another_file(tree):
    """The file's name is not the protocol's."""
    (tree / "user/protocols/dns.c").rename(tree / "user/protocols/names.c")
    done = subprocess.run([tree / "tools/new-protocol", "dns"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "new-protocol: dns is a protocol already, in user/protocols/names.c\n"


def test_as_written(tree):
    (tree / "user/protocols/dns.c").unlink()
    said = run("tools/new-protocol", NAME, cwd=tree)
    written = [line.removeprefix("wrote ") for line in said.splitlines()
               if line.startswith("wrote ")]
    assert len(written) >= 5
    for path in written:
        text = (tree / path).read_text()
        assert NAME in text and "protoname" not in text
    shutil.rmtree(tree / "tools/protocol")
    for lint in LINTS:  # what the others are like is not the question
        found = subprocess.run([tree / f"tools/lint-{lint}"], cwd=tree, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        assert not any(path in found for path in written), found

    compile = ["gcc", *flags("ALL_CFLAGS"), "-DSONDE_VERSION=\"0\"", f"-I{ROOT}/build",
               f"-I{ROOT}/build/proto"]
    checked = [*flags("WARNINGS"), *flags("SANITIZE")]
    run(*compile, *checked, "-c", "-o", f"{NAME}.o", f"user/protocols/{NAME}.c", cwd=tree)
    assert not run("nm", "-g", "--defined-only", f"{NAME}.o", cwd=tree)
    base = [*sorted(ROOT.glob("build/asan/user/base/*.o")),
            ROOT / "build/asan/user/protocols/trace_headers.o"]
    run(*compile, *checked, "-o", "unit", f"tests/unit/test_{NAME}.c", f"{NAME}.o", *base,
        *flags("LIBS"), "-lcmocka", cwd=tree)
    assert "PASSED" in run("./unit", cwd=tree)
    run("./unit", cwd=tree, env={**os.environ, "WRITE_SEEDS": "1"})

    for source in sorted(ROOT.glob("user/*.c")):
        run(*compile, "-O0", "-w", "-c", "-o", tree / f"{source.stem}.main.o", source, cwd=ROOT)
    parts = [path for path in sorted(ROOT.glob("build/asan/**/*.o"))
             if (ROOT / path.relative_to(ROOT / "build/asan").with_suffix(".c")).exists() or
             path.parent.name == "proto"]
    run("gcc", *flags("SANITIZE"), "-o", "sonde-with-it", *sorted(tree.glob("*.main.o")), *parts,
        f"{NAME}.o", *flags("LIBS"), cwd=tree)
    print(run("tools/run-e2e", f"tests/e2e/test_{NAME}.py", cwd=tree,
              env={**os.environ, "SONDE": str(tree / "sonde-with-it"),
                   "ASAN_OPTIONS": "detect_leaks=0"}))

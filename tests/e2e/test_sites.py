# SPDX-License-Identifier: Apache-2.0
"""Where probes sit: compared with another disassembler, over whole libraries and programs; and programs that
run with all of those probes compute what they compute without."""
import collections
import json
import lzma
import re
import shutil
import subprocess

import pytest

from servers import WORKLOADS, go_program
from traced import SONDE

LIBRARIES = ["libssl.so", "libcrypto.so", "libgnutls.so", "libc.so"]
# What every kernel with uprobes emulates, by its bytes (arch/x86/kernel/uprobes.c).
EMULATED = {
    "push": r"5[0-7]|415[0-7]",
    "nop": r"(66)*90",
    "jump": r"(f2)?e9.{8}|(f2)?eb..",
    "branch": r"([23]e)?(f2)?7...|([23]e)?(f2)?0f8.{9}",
    "call": r"(f2)?e8.{8}",
}
# They return more than once, or elsewhere than to where they were called: a return probe on them breaks any program.
NO_RETURN = re.compile(r".*(setjmp|longjmp|vfork|context|clone|dl_catch|start_main|unwind|rt_sigreturn).*", re.I)


def find_sites(path, *functions):
    done = subprocess.run([SONDE, "sites", "--json", path, *(functions or ["--all"])], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def tls_sites(path):
    done = subprocess.run([SONDE, "sites", "--json", path], text=True, stdout=subprocess.PIPE)
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", f"{path}.c",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"],
                   check=True, stderr=subprocess.DEVNULL)
    with open(path, "a", encoding="ascii") as both, open(f"{path}.c", encoding="ascii") as more:
        both.write(more.read())
    return path


@pytest.fixture(scope="session")
def libraries(certificate):
    """(command that uses them all, {name: path of what it has mapped})."""
    command = ["/usr/bin/python3", WORKLOADS / "libraries.py", certificate]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    mapped = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("maps ")]
    return command, {name: path for path in mapped for name in LIBRARIES if f"/{name}." in path}


@pytest.fixture(scope="session")
def attach(tmp_path_factory):
    """attach(COMMAND, {PATH: [(OFFSET, RETURNS)]}) -> what it printed, {(PATH, OFFSET, RETURNS): hits}"""
    program = tmp_path_factory.mktemp("build") / "attach"
    subprocess.run(["gcc", "-O1", "-o", program, WORKLOADS / "attach.c"], check=True)

    def run(command, sites):
        rows = sorted((path, returns, off) for path, v in sites.items() for off, returns in set(v))
        listed, counts = program.with_name("sites"), program.with_name("counts")
        listed.write_text("".join(f"{path} {off} {returns}\n" for path, returns, off in rows))
        done = subprocess.run([program, listed, counts, *command], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        assert done.returncode == 0, done.stderr
        hits = [int(line) for line in counts.read_text().split()]
        assert len(hits) == len(rows)
        return done.stdout, {(path, off, returns): n for (path, returns, off), n in zip(rows, hits)}

    return run


@pytest.fixture(scope="session")
def rust_program(tmp_path_factory):
    program = tmp_path_factory.mktemp("rust") / "sums"
    subprocess.run(["rustc", "-O", "-C", "link-dead-code", "-o", program, WORKLOADS / "sums.rs"], check=True)
    return str(program)


# --- what objdump says -----------------------------------------------------------------------------

def disassemble(path):
    """{address: bytes} of each instruction, from where symbols say that functions begin."""
    done = subprocess.run(["objdump", "-d", "-w", "--insn-width=16", path], check=True, text=True, stdout=subprocess.PIPE)
    found = re.findall(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+)", done.stdout, re.M)
    return {int(address, 16): code.replace(" ", "") for address, code in found}


def compare(path):
    """Compares each site with the disassembly; returns the functions and their counts."""
    *functions, counts = find_sites(path)
    instructions = disassemble(path)
    wrong, found = [], collections.Counter()
    for function in functions:
        for probe in "entry", "return":
            site = function.get(probe, {})
            found[probe, site.get("why", "found")] += "why" not in function
            if "on" not in site:
                continue
            code = instructions.get(function["address"] + site["offset"])
            if not code or not re.fullmatch(EMULATED[site["on"]], code):
                wrong.append((function, code))
    assert not wrong, f"{path}: {len(wrong)} of {len(functions)}: {wrong[:5]}"
    for probe in "entry", "return":
        assert {why: n for why, n in counts[probe].items() if n} == \
            {why: n for (of, why), n in found.items() if of == probe and n}
    print(path, counts)
    return functions, counts


def offsets(functions, returns):
    """Of the sites; of those for a return twice, for the entry and for the return."""
    for function in functions:
        site = function.get("return" if returns else "entry", {})
        if "file_offset" not in site or (returns and NO_RETURN.match(function["function"])):
            continue
        yield site["file_offset"], 0
        if returns:
            yield site["file_offset"], 1


@pytest.mark.parametrize("name", LIBRARIES)
def test_libraries(libraries, attach, name):
    command, paths = libraries
    path = paths[name]
    functions, counts = compare(path)
    assert len(functions) > 500
    for probe in "entry", "return":
        assert counts[probe]["found"] > len(functions) * 0.4, counts
        assert counts[probe]["bytes that are no instruction"] < len(functions) * 0.02, counts
    truth = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for returns in False, True:
        printed, hits = attach(command, {path: list(offsets(functions, returns))})
        assert drop_varying(printed) == drop_varying(truth)
        assert sum(1 for n in hits.values() if n) > 20, "hardly any function was called"


def drop_varying(printed):
    return [line for line in printed.splitlines() if not line.startswith("calls ")]


@pytest.mark.parametrize("language", ["go", "rust"])
def test_programs(attach, language, request):
    program = go_program("sums") if language == "go" else request.getfixturevalue("rust_program")
    functions, counts = compare(program)
    assert len(functions) >= 1000
    assert counts["entry"]["found"] > len(functions) * 0.5
    truth = subprocess.run([program], check=True, text=True, stdout=subprocess.PIPE).stdout
    printed, hits = attach([program], {program: list(offsets(functions, False))})
    assert printed == truth
    assert sum(1 for n in hits.values() if n) > 100


# --- TLS libraries ---------------------------------------------------------------------------------

def test_tls_calls(libraries, attach):
    """Each call of a TLS library is seen once, its entry and its return, however it is made."""
    command, paths = libraries
    sites = {}
    for name in "libssl.so", "libgnutls.so":
        status, found = tls_sites(paths[name])
        assert status == 0 and not found["missing"], found
        sites[paths[name]] = found
    printed, hits = attach(command, {
        path: [(site["file_offset"], returns) for site in found["sites"]
               for returns in range(1 + site["return"])]
        for path, found in sites.items()})
    calls = json.loads(re.search(r"^calls (.*)", printed, re.M)[1])
    for path, found in sites.items():
        seen = collections.Counter()
        for site in found["sites"]:
            for returns in range(1 + site["return"]):
                seen[site["call"], returns] += hits[path, site["file_offset"], returns]
        for call, made in calls[found["library"]].items():
            assert seen[call, 0] == made, (path, call, seen)
            assert call == "free" or seen[call, 1] == made, (path, call, seen)


def test_node():
    """It has OpenSSL linked into itself, or uses the library that is tested above."""
    status, found = tls_sites(shutil.which("node"))
    assert status == (0 if found["library"] else 3)
    if found["library"]:
        calls = {site["call"] for site in found["sites"]}
        assert calls - {"file"} == {"read", "write", "handshake", "shutdown", "free"}


LINKED = """
#include <stdio.h>
__attribute__((noinline)) int SSL_read(void *s, char *b, int n) { return printf("%p %p %d\\n", s, b, n) ? n : 0; }
__attribute__((noinline)) int SSL_write(void *s, const char *b, int n) { return putchar(b[n]) ? 1 : s != 0; }
int main(void)
{
	char buffer[10] = "abcdefghi";
	for (int i = 0; i < 5; i++)
		SSL_read(0, 0, SSL_write(0, buffer, i));
}
"""


@pytest.mark.parametrize("symbols", ["whole", "packed", "none"])
@pytest.mark.parametrize("kind", ["-pie", "-no-pie", "-static"])
def test_linked_in(tmp_path, attach, kind, symbols):
    """Functions in an executable itself, which does not export them."""
    program, small = tmp_path / "program", tmp_path / "small"
    subprocess.run(["gcc", "-O2", kind, "-o", program, "-xc", "-"], input=LINKED, text=True, check=True)
    if symbols != "whole":
        subprocess.run(["objcopy", "--strip-debug", program, small], check=True)
        subprocess.run(["strip", program], check=True)
    if symbols == "packed":
        small.with_suffix(".xz").write_bytes(lzma.compress(small.read_bytes()))
        subprocess.run(["objcopy", f"--add-section=.gnu_debugdata={small}.xz", program], check=True)
    status, found = tls_sites(program)
    if symbols == "none":
        assert status == 3 and not found["library"]
        return
    assert status == 0 and found["library"] == "OpenSSL"
    printed, hits = attach([program], {str(program): [
        (site["file_offset"], returns) for site in found["sites"] for returns in (0, 1)]})
    assert len(hits) == 4 and set(hits.values()) == {5}
    assert printed == "".join(f"{'abcde'[i]}(nil) (nil) 1\n" for i in range(5))


# --- what is refused -------------------------------------------------------------------------------

def test_other_machine(tmp_path, libraries):
    """A library for another machine: known, but not probed. Its header says so; the rest is not looked at."""
    path = tmp_path / "libssl.so"
    content = bytearray(open(libraries[1]["libssl.so"], "rb").read())
    content[18:20] = (183).to_bytes(2, "little")
    path.write_bytes(content)
    status, found = tls_sites(path)
    assert status == 3 and not found["sites"]
    assert found["missing"] == "aarch64: sites are known for x86-64 only"


@pytest.mark.parametrize("content, why", [(b"", "it is no ELF file"), (b"\x7fELF", "it is no ELF file"),
                                          (b"#!/bin/sh\n", "it is no ELF file")])
def test_no_program(tmp_path, content, why):
    path = tmp_path / "file"
    path.write_bytes(content)
    for more in [], ["--all"], ["read"]:
        done = subprocess.run([SONDE, "sites", path, *more], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 1
        assert why in done.stderr


def test_names(libraries):
    """Functions by name: also by one that is not the first of several at one place."""
    rows = {row["function"]: row for row in find_sites(libraries[1]["libc.so"], "read", "__read", "nothing")}
    assert rows["read"]["entry"] == rows["__read"]["entry"]
    assert rows["nothing"]["why"] == "there is no such function"

# SPDX-License-Identifier: Apache-2.0
"""Unwind tables of real files, compared with what readelf finds in them."""
import bisect
import ctypes.util
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTION = re.compile(r"^\w+ \w+ \w+ FDE cie=(\w+) pc=(\w+)\.\.(\w+)")
CIE = re.compile(r'^(\w+) \w+ \w+ CIE "(\w*)"')


def mapped(name):
    """Where the loader finds a library."""
    ctypes.CDLL(ctypes.util.find_library(name) or name)
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        if f"/lib{name}.so" in line:
            return line.split()[-1]
    raise AssertionError(f"{name} is not mapped")


def readelf(path):
    """[(start, limit, signal, [(address, columns)])] of each function."""
    text = subprocess.run(["readelf", "-wF", path], check=False, capture_output=True,
                          text=True).stdout
    functions, initial, signal, names, rows, cie = [], {}, set(), [], [], None
    for line in text.splitlines():
        words = re.sub(r" \(\w+\)", "", line).split()
        if match := CIE.match(line):
            cie = match[1]
            rows = initial[cie] = []
            if "S" in match[2]:
                signal.add(cie)
        elif match := FUNCTION.match(line):
            cie, rows = match[1], []
            functions.append((int(match[2], 16), int(match[3], 16), cie, rows))
        elif words[:1] == ["LOC"]:
            names = words[1:]
        elif len(words) == len(names) + 1 and words[1] != "ZERO":
            rows.append((int(words[0], 16), dict(zip(names, words[1:]))))
    return [(start, limit, cie in signal,
             rows if rows and rows[0][0] == start else
             [(start, initial[cie][-1][1] if initial[cie] else {})] + rows)
            for start, limit, cie, rows in functions]


def fits(rule, columns):
    cfa, fp, ra = columns["CFA"], columns.get("rbp", "u"), columns["ra"]
    if ra == "u":
        return rule == ["root"]
    if rule == ["unsupported"]:  # where the stack pointer is not the CFA, or an expression is rare
        return cfa == "exp" or columns.get("rsp", "u") != "u" or ra != "c-8"
    if ra != "c-8":
        return rule[-1] == "ra"
    return rule == [cfa, "u" if fp == "s" else fp if fp[:2] in ("u", "c+", "c-") else "exp"]


@pytest.mark.parametrize("name", ["c", "stdc++", "crypto", "python"])
def test_rows(name):
    path = sys.executable if name == "python" else mapped(name)
    done = subprocess.run([ROOT / "build/tests/write_unwind_rows", path], check=True,
                          capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    addresses = [int(row[0], 16) for row in rows]
    functions = readelf(path)
    compared, wrong = 0, []
    ends = {}
    for start, limit, signal, truth in functions:
        for address, columns in truth:
            rule = rows[bisect.bisect_right(addresses, address) - 1][1:]
            compared += 1
            if address < limit and not (fits(rule, columns) or (signal and rule == ["signal"])):
                wrong.append((hex(address), rule, columns))
        ends[start] = limit
    # Where no function is, nothing is said; where one is, no row but its own.
    truths = {address for _, _, _, truth in functions for address, _ in truth}
    extra = [row for row, address in zip(rows, addresses)
             if address not in truths and row[1] != "none"]
    assert compared > 1000 and not wrong and not extra, (compared, wrong[:20], extra[:20])
    for limit in set(ends.values()) - set(ends):
        at = bisect.bisect_right(addresses, limit) - 1
        assert rows[at][1] == "none", (hex(limit), rows[at])

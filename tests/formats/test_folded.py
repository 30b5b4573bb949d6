# SPDX-License-Identifier: Apache-2.0
"""Folded stacks against the samples that went in."""
import frames

SUFFIXES = {frames.KERNEL: "_[k]", frames.JIT: "_[j]"}


def test_every_stack_and_its_count(written, truth):
    _, own = frames.totals(truth)
    wanted = {
        ";".join(frames.plain(name).replace(";", ":") + SUFFIXES.get(kind, "")
                 for name, kind in path): count
        for path, count in own.items()
    }
    lines = (written / "profile.folded").read_text().split("\n")
    assert lines.pop() == ""
    found = {stack: int(count) for stack, _, count in (line.rpartition(" ") for line in lines)}
    assert len(found) == len(lines)
    assert found == wanted

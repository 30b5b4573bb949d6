# SPDX-License-Identifier: Apache-2.0
"""What frames are called: said once more, for the tests to compare with."""
import collections

NONE, NATIVE, KERNEL, JIT, CPYTHON, V8JS, ERROR, WAIT = range(8)


def label(frame):
    if frame["name"]:
        return frame["name"]
    file = frame["file"].rsplit("/", 1)[-1]
    if not file:
        return "[unknown]"
    return file if file.startswith("[") else f"[{file}]"


def plain(text):
    """Without what is a control character to XML, terminals and lines."""
    return "".join(" " if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 else c for c in text)


def root(sample):
    return sample["service"] or sample["thread"]


def path(sample):
    """(label, type) from the root to the leaf."""
    return ((root(sample), NONE), *((label(f), f["type"]) for f in sample["frames"]))


def totals(samples):
    """How many samples each path is the beginning of, and how many end there."""
    total, own = collections.Counter(), collections.Counter()
    for sample in samples:
        whole = path(sample)
        own[whole] += 1
        for depth in range(len(whole)):
            total[whole[: depth + 1]] += 1
    return total, own

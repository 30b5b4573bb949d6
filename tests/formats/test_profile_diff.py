# SPDX-License-Identifier: Apache-2.0
"""`sonde profile --diff` of two files of folded stacks."""
import subprocess
from xml.etree import ElementTree

import pytest

from conftest import ROOT

SVG = "{http://www.w3.org/2000/svg}"
BEFORE = "app;main;work 60\napp;main;idle fn_[k] 40\n"
AFTER = "app;main;work 35\r\napp;main;new (x, y) 65"


def run(tmp_path, before, after, *args):
    for name, text in ("before.folded", before), ("after.folded", after):
        (tmp_path / name).write_text(text)
    return subprocess.run([ROOT / "sonde", "profile", "--diff", "before.folded", "after.folded", "-o",
                           "diff.svg", *args], cwd=tmp_path, text=True, capture_output=True)


def frames(tmp_path):
    """{name: (samples after, before, class)}, and the first line."""
    root = ElementTree.parse(tmp_path / "diff.svg").getroot()
    group = root.find(f"{SVG}g[@id='frames']")
    found = {g.find(f"{SVG}title").text.split("\n")[0]:
             (int(g.get("data-n")), int(g.get("data-n2")), g.find(f"{SVG}rect").get("class"))
             for g in group}
    return found, root.find(f"{SVG}text[@id='about']").text


def test_two_files(tmp_path):
    done = run(tmp_path, BEFORE, AFTER)
    assert done.returncode == 0 and done.stderr == "wrote diff.svg\n"
    found, about = frames(tmp_path)
    assert found == {"all": (100, 100, "d0"), "app": (100, 100, "d0"), "main": (100, 100, "d0"),
                     "work": (35, 60, "l3"), "idle fn": (0, 40, "l4"), "new (x, y)": (65, 0, "m4")}
    assert about == "after: 100 samples  \u00b7  before: 100 samples"


def test_waiting(tmp_path):
    """Numbers are ns, and of these three are enough."""
    done = run(tmp_path, "app;[lock] 1500000000\n", "app;[lock] 500000000\napp;[disk] 500000000\n",
               "--off-cpu")
    assert done.returncode == 0
    found, about = frames(tmp_path)
    assert found["[lock]"] == (500000000, 1500000000, "l4")
    assert about == "after: 1.000 s  \u00b7  before: 1.500 s"


def test_our_own_files(tmp_path, written):
    text = (written / "profile.folded").read_text()
    done = run(tmp_path, text, text)
    assert done.returncode == 0
    found, about = frames(tmp_path)
    assert about == "after: 6000 samples  \u00b7  before: 6000 samples"
    assert all(a == b and shade == "d0" for a, b, shade in found.values())


def test_lines_of_no_use(tmp_path):
    done = run(tmp_path, BEFORE, "# comment\n\n;;; 5\nmain -1\nno number\na;b " + "9" * 30 + "\n" + AFTER)
    assert done.returncode == 0
    assert "after.folded: 5 lines were left out, the first is line 1\n" in done.stderr
    assert frames(tmp_path)[0]["all"][0] == 105


@pytest.mark.parametrize("after, why", [
    ("", "after.folded has no folded stacks: lines such as 'main;work 12'"),
    ("nothing here\n", "after.folded has no folded stacks"),
    ("main 9\n", "too few samples to compare: after 9, before 100"),
])
def test_too_little(tmp_path, after, why):
    done = run(tmp_path, BEFORE, after)
    assert done.returncode == 1 and why in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""The flame graph: its frames against the samples that went in, nothing in it from outside, and its
script at work."""
import json
import pathlib
import re
import subprocess
from xml.etree import ElementTree

import pytest

import frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
WIDTH, MARGIN = 1200, 10


@pytest.fixture(scope="module")
def svg(written):
    return ElementTree.fromstring((written / "profile.svg").read_bytes())


def drawn(svg):
    """{(depth, at): (name, samples, x, width, label)}"""
    found = {}
    for g in svg.find(f"{SVG}g[@id='frames']"):
        rect, text = g.find(f"{SVG}rect"), g.find(f"{SVG}text")
        key = ((int(rect.get("y")) - 70) // 18, int(g.get("data-at")))
        assert key not in found
        found[key] = (g.find(f"{SVG}title").text.split("\n")[0], int(g.get("data-n")),
                      float(rect.get("x")), float(rect.get("width")),
                      text.text if text is not None else None)
    return found


def placed(samples):
    """The same from the samples: children in order of their bytes, from the left."""
    total, _ = frames.totals(samples)
    found = {(0, 0): ("all", len(samples))}
    next_at = {(): 0}
    for path in sorted(total, key=lambda p: [(name.encode(), kind) for name, kind in p]):
        at = next_at[path[:-1]]
        found[len(path), at] = (frames.plain(path[-1][0]), total[path])
        next_at[path[:-1]] = at + total[path]
        next_at[path] = at
    return found


def test_every_frame(svg, truth):
    found, wanted = drawn(svg), placed(truth)
    scale = (WIDTH - 2 * MARGIN) / len(truth)
    assert {key: value[:2] for key, value in found.items()} == wanted  # none is below 0.1 px
    for (_, at), (name, samples, x, width, label) in found.items():
        assert x == pytest.approx(MARGIN + at * scale, abs=0.006)
        wide = samples * scale
        assert width == pytest.approx(wide - min(1, wide / 4), abs=0.006)
        if label and label != name:
            assert label.endswith("\u2026") and name.startswith(label[:-1])
        if label:
            assert len(label) * 7.25 <= width


def test_nothing_comes_from_outside(svg, written):
    """What is in a profile is text; all that could act or fetch is ours."""
    assert {element.tag for element in svg.iter()} == {
        SVG + tag for tag in ("svg", "style", "script", "rect", "text", "title", "g")}
    script, = svg.iter(SVG + "script")
    assert script.text.strip() == (ROOT / "user/export/flame_graph.js").read_text().strip()
    style, = svg.iter(SVG + "style")
    assert style.text.strip() == (ROOT / "user/export/flame_graph.css").read_text().strip()
    attributes = {name for element in svg.iter() for name in element.attrib}
    assert attributes <= {"version", "width", "height", "viewBox", "id", "class", "x", "y",
                          "transform", "data-at", "data-n"}
    text = (written / "profile.svg").read_text()
    assert set(re.findall(r"https?://[^\"' ]*", text)) == {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}  # names, not places
    assert "@import" not in text and "url(" not in text
    names = [name for name, *_ in drawn(svg).values()]
    assert "]]><script>alert('\"&amp;')</script>" in names


@pytest.fixture(scope="module", params=["svg", "html"])
def at_work(written, request):
    """What the page looks like after each step."""
    done = subprocess.run(["node", pathlib.Path(__file__).parent / "flame_graph.js",
                           written / f"profile.{request.param}", written / "diff.svg"],
                          check=True, text=True,
                          stdout=subprocess.PIPE,
                          env={"PATH": "/usr/bin:/bin", "NODE_PATH": "/usr/share/nodejs"})
    return json.loads(done.stdout)


def test_fills_the_window(at_work):
    first = at_work["opened"]
    assert first["viewBox"].split()[2] == "1600"
    assert first["frames"]["all"]["width"] == pytest.approx(1600 - 2 * MARGIN - 1)
    assert first["reset"] == "none"


def test_click_zooms(at_work, truth):
    """The clicked frame and what it stands on fill the width, its parts share it."""
    zoomed = at_work["zoomed"]["frames"]
    full = 1600 - 2 * MARGIN
    for name in ("all", "web", "main", "ngx_http_handler"):
        assert zoomed[name]["width"] == pytest.approx(full - 1)
    assert zoomed["main"]["parent"] and not zoomed["ngx_http_handler"]["parent"]
    assert "orders" not in zoomed and "epoll_wait" not in zoomed
    total, _ = frames.totals(truth)
    share = {}
    for path, count in total.items():
        if path[-1][0] in ("ngx_http_handler", "ngx_http_static_handler"):
            share[path[-1][0]] = count
    wide = full * share["ngx_http_static_handler"] / share["ngx_http_handler"]
    assert zoomed["ngx_http_static_handler"]["width"] == pytest.approx(wide - 1)
    assert zoomed["__memmove_avx_unaligned_erms"]["label"] == "__memmove_avx_unaligned_erms"
    assert at_work["zoomed"]["reset"] == "inline"


def test_escape_and_reset_zoom_out(at_work):
    for step in ("escaped", "reset"):
        assert at_work[step] == at_work["opened"]


def test_flip(at_work):
    """The root is at the bottom, all else as it was."""
    opened, flipped = at_work["opened"]["frames"], at_work["flipped"]["frames"]
    deepest = max(frame["y"] for frame in opened.values())
    assert {name: {**frame, "y": 70 + deepest - frame["y"]} for name, frame in flipped.items()} \
        == opened
    assert at_work["flippedBack"] == at_work["opened"]


def sides(truth):
    """As write_profile has them."""
    two = [], []
    for number, sample in enumerate(truth):
        if sample["pid"] != 300:
            two[(sample["pid"] in (100, 101)) == (number % 4 == 0)].append(sample)
    return two


def test_diff(written, truth):
    """Numbers of both sides, and the colour by them."""
    drawn_diff = ElementTree.parse(written / "diff.svg").getroot().find(f"{SVG}g[@id='frames']")
    two = sides(truth)
    totals = [frames.totals(side)[0] for side in two]
    found, path = {}, []
    for g in drawn_diff:
        rect, lines = g.find(f"{SVG}rect"), g.find(f"{SVG}title").text.split("\n")
        row = (int(rect.get("y")) - 70) // 18
        path[max(row - 1, 0):] = [lines[0]] if row else []
        found[tuple(path)] = (int(g.get("data-n")), int(g.get("data-n2")))
        part = [n / len(side) for n, side in zip(found[tuple(path)], two)]
        for name, number, line in zip(("slow", "typical"), part, lines[1:]):
            assert line.startswith(f"{name}: {100 * number:.2f} %, ")
        assert float(rect.get("width")) == pytest.approx(590 * sum(part), abs=1.01)
        more = part[0] - part[1]
        assert abs(more) > 0.05 or rect.get("class")[1] in "01"
        assert rect.get("class")[0] in ("dm" if more > 0 else "dl")
        assert abs(more) < 0.1 or rect.get("class")[0] != "d"
    wanted = {tuple(frames.plain(name) for name, _ in way): tuple(total[way] for total in totals)
              for way in totals[0] | totals[1]}
    wanted[()] = tuple(map(len, two))
    assert found == wanted
    assert not any("hostile" in name for way in found for name in way)


def test_width_of_either_side(at_work, truth):
    two = sides(truth)
    share = [frames.totals(side)[0] for side in two]
    full = 1600 - 2 * MARGIN

    def widths(weights):
        """By name and row, as names may stand in several places."""
        wanted = {}
        for way in share[0] | share[1]:
            part = sum(weight * total[way] / len(side)
                       for weight, total, side in zip(weights, share, two))
            key = frames.plain(way[-1][0]), len(way)
            if part:
                wanted.setdefault(key, []).append(full * part - min(1, full * part / 4))
        return {key: sorted(wide) for key, wide in wanted.items()}

    for step, weights in ("both", (.5, .5)), ("slow", (1, 0)), ("typical", (0, 1)):
        found = {}
        for name, _, width, row in at_work[step]:
            if row:
                found.setdefault((name, row), []).append(width)
        wanted = widths(weights)
        assert found.keys() == wanted.keys()
        for key, wide in wanted.items():
            assert sorted(found[key]) == pytest.approx(wide, abs=0.01)
    hits = [100 * sum(any(re.search("^tcp_|schedule$", name) for name, _ in frames.path(s))
                      for s in side) / len(side) for side in two]
    assert at_work["matchedOfBoth"] == f"slow {hits[0]:.1f} %, typical {hits[1]:.1f} % matched"
    zoomed = {name: width for name, _, width, _ in at_work["zoomedDiff"]}
    assert zoomed["ngx_http_handler"] == zoomed["all"] == pytest.approx(full - 1)
    assert "epoll_wait" not in zoomed


def test_search_counts_each_sample_once(at_work, truth):
    def share(pattern):
        hits = sum(any(re.search(pattern, name) for name, _ in frames.path(s)) for s in truth)
        return f"{100 * hits / len(truth):.1f} % matched"

    assert at_work["searched"]["matched"] == share("_PyEval")
    assert at_work["searched"]["marked"] == ["_PyEval_EvalFrameDefault"]
    assert at_work["alternatives"]["matched"] == share("^tcp_|schedule$")
    assert at_work["nothing"]["matched"] == "0.0 % matched"
    assert at_work["invalid"]["matched"] == "" and at_work["invalid"]["bad"]
    assert at_work["cleared"]["matched"] == "" and not at_work["cleared"]["marked"]


def test_hover_tells(at_work, truth):
    total, own = frames.totals(truth)
    path, = (p for p in total if p[-1][0] == "__writev")
    share = 100 * total[path] / len(truth)
    assert at_work["hovered"].startswith("__writev")
    assert f"native, {total[path]} samples, {share:.2f} %" in at_work["hovered"]
    assert at_work["left"].startswith("6000 samples")


def test_a_profile_without_samples_opens(tmp_path, at_work):
    assert at_work["empty"] == "no error"

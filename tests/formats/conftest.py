# SPDX-License-Identifier: Apache-2.0
"""One made-up profile in every format, and the samples that went into it."""
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/e2e"))  # profcheck, which the tests there use too


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The directory with profile.folded, .svg, .html, .json, .pb.gz, .otlp, diff.svg and truth.json."""
    directory = tmp_path_factory.mktemp("profile")
    subprocess.run([ROOT / "build/tests/write_profile", directory], check=True)
    return directory


@pytest.fixture(scope="session")
def truth(written):
    samples = json.loads((written / "truth.json").read_text())
    assert len(samples) == 6000
    return samples

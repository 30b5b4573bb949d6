# SPDX-License-Identifier: Apache-2.0
"""make install and uninstall, into a directory and under a prefix; the systemd unit."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make(target, **variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    done = subprocess.run(["make", target, *[f"{k}={v}" for k, v in variables.items()]], cwd=ROOT,
                          env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def files(directory):
    return sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file())


def test_into_a_directory(tmp_path):
    make("install", DESTDIR=tmp_path)
    config = tmp_path / "etc/sonde/sonde.yaml"
    program = tmp_path / "usr/local/bin/sonde"
    unit = tmp_path / "usr/local/lib/systemd/system/sonde.service"
    assert files(tmp_path) == sorted(p.relative_to(tmp_path).as_posix()
                                     for p in (config, program, unit))
    assert program.stat().st_mode & 0o777 == 0o755
    assert unit.stat().st_mode & 0o777 == config.stat().st_mode & 0o777 == 0o644
    assert unit.read_text() == (ROOT / "deploy/sonde.service").read_text()
    subprocess.run([program, "config", "check", config], check=True, stdout=subprocess.DEVNULL)
    config.write_text("log: {level: warn}\n")
    make("install", DESTDIR=tmp_path)
    assert config.read_text() == "log: {level: warn}\n", "the user's configuration was overwritten"
    make("uninstall", DESTDIR=tmp_path)
    assert files(tmp_path) == ["etc/sonde/sonde.yaml"]


def test_under_a_prefix(tmp_path):
    """The unit starts what was installed, and systemd finds nothing wrong with it."""
    prefix, etc = tmp_path / "opt", tmp_path / "etc"
    make("install", PREFIX=prefix, SYSCONFDIR=etc)
    unit = prefix / "lib/systemd/system/sonde.service"
    assert f"ExecStart={prefix}/bin/sonde agent -c {etc}/sonde/sonde.yaml" in unit.read_text()
    assert "/usr/local" not in unit.read_text()
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "sonde.service" in line]
    assert done.returncode == 0 and not ours, done.stderr
    unit.write_text(unit.read_text().replace("MemoryMax=", "MemoryMost="))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert "MemoryMost" in done.stderr, "systemd-analyze would not have found anything"

# SPDX-License-Identifier: Apache-2.0
"""What deploy/Dockerfile rests on: that the types of Debian's kernel are enough to build with."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_types_of_debian(tmp_path):
    """The BPF programs compile with the types of a kernel that is older than they need."""
    types, built = tmp_path / "vmlinux.btf", tmp_path / "build"
    subprocess.run([ROOT / "tools/debian-btf", types], check=True, stdin=subprocess.DEVNULL)
    sources = sorted((ROOT / "bpf").glob("*.bpf.c"))
    targets = [f"{built}/bpf/{p.name.removesuffix('.bpf.c')}.skel.h" for p in sources]
    assert targets
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    subprocess.run(["make", f"BUILD={built}", f"VMLINUX_BTF={types}", *targets], cwd=ROOT,
                   check=True, env=env, stdin=subprocess.DEVNULL)
    for target in targets:
        assert pathlib.Path(target).stat().st_size > 0

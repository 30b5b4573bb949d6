# SPDX-License-Identifier: Apache-2.0
"""A virtual machine that runs the scenarios: a Debian kernel in QEMU's plain emulation, and a root in
memory made of this machine's own programs with the libraries they need. No network, no disk."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tarfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/vm"
SONDE = os.environ.get("SONDE", str(ROOT / "sonde"))
PROGRAMS = ["nginx", "curl", "dnsmasq"]
WORKLOADS = ["ways", "lookups", "framed"]
# Against hangs; they say nothing about how fast it should be. Scenarios that hang are ended by init, which
# says on the console that it lives every 5 s. A machine that says nothing at all is an emulator that hangs
# (seen with QEMU 7.2, before the first process and after it): its processors are looked at, then once more.
WATCHDOG_S = 600
SILENT_S, LIFE_S, BOOTS = 60, 4 * WATCHDOG_S, 3


def libraries(program):
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    assert "not found" not in listed, listed
    return re.findall(r"(/\S+) \(0x", listed)


def build_workloads(directory):
    """Every way to send and receive, as programs that need no libraries, and a certificate with its
    key. Returns where they are."""
    for name in WORKLOADS:
        subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", directory / name,
                        ROOT / f"tests/e2e/workloads/{name}.c"], check=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", directory / "pem",
                    "-out", directory / "crt"], check=True, capture_output=True)
    with open(directory / "pem", "a", encoding="ascii") as both:
        both.write((directory / "crt").read_text())
    return directory


def make_root(directory, workloads):
    """The root as a cpio archive that the kernel unpacks."""
    root = directory / "root"
    for name in ("proc", "sys", "dev", "tmp", "out", "etc", "bin", "vm"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    shutil.copy(HERE / "init", root / "init")
    for program in (SONDE, HERE / "scenarios", *(workloads / name for name in [*WORKLOADS, "pem"])):
        shutil.copy(program, root / "vm")
    (root / "vm" / pathlib.Path(SONDE).name).rename(root / "vm/sonde")
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    programs = [shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") for name in PROGRAMS]
    for source in {*programs, *(lib for p in [*programs, SONDE] for lib in libraries(p))}:
        (root / source[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / source[1:])
    names = "".join(f"{path.relative_to(root)}\0" for path in sorted(root.rglob("*")))
    archive = directory / "root.cpio"
    with open(archive, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc"], cwd=root, check=True,
                       input=names.encode(), stdout=out)
    shutil.rmtree(root)
    return archive


def kernel(series):
    path = subprocess.run([ROOT / "tools/vm-kernel", series], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()
    return pathlib.Path(path) / "vmlinuz"


def boot(series, archive, console, results, append):
    """Runs until the machine switches itself off. False if it hung: said nothing for SILENT_S, or did not end."""
    monitor = console.with_name("monitor")
    with subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg,thread=single", "-smp", "2", "-m", "1024",
                           "-nodefaults", "-display", "none", "-no-reboot",
                           "-serial", f"file:{console}", "-serial", f"file:{results}",
                           "-monitor", f"unix:{monitor},server,nowait",
                           "-kernel", kernel(series), "-initrd", archive, "-append", append],
                          stdin=subprocess.DEVNULL) as emulator:
        try:
            if ends(emulator, console, results):
                return True
            print(f"{series}: nothing said for {SILENT_S} s, or no end, after:\n{said_on(console)[-2000:]}")
            print(asked(monitor, "info registers -a"))
            return False
        finally:
            emulator.kill()


def ends(emulator, console, results):
    """Waits for that as long as it says something."""
    said, begun = None, time.monotonic()
    since = begun
    while time.monotonic() - since < SILENT_S and time.monotonic() - begun < LIFE_S:
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert emulator.wait(1) == 0
            return True
        now = said_on(console), results.exists() and results.stat().st_size
        if now != said:
            said, since = now, time.monotonic()
    return False


def asked(monitor, command):
    """What the emulator answers to a command."""
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(10)
        to.connect(str(monitor))
        to.sendall(command.encode() + b"\n")
        answer = b""
        with contextlib.suppress(TimeoutError):
            while more := to.recv(65536):
                answer += more
        return answer.decode(errors="replace")


def said_on(console):
    return console.read_text(errors="replace") if console.exists() else ""


def check_faults(said):
    fault = re.search("BUG:|WARNING: |Oops|vm: .* hangs", said)
    assert not fault, said[fault.start():][:20000]


def run_vm(series, variants, directory):
    """Boots, runs the scenarios by each variant, and returns the directory that holds a directory of
    results for each."""
    archive = make_root(directory, build_workloads(directory))
    console, results = directory / "console", directory / "results.tar.gz"
    append = (f"console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off nokaslr "
              f"vm_variants={variants} vm_watchdog_s={WATCHDOG_S}")
    for _ in range(BOOTS):
        if boot(series, archive, console, results, append):
            break
        check_faults(said_on(console))
    said = said_on(console)
    assert "vm: done" in said, "the virtual machine did not finish:\n" + said[-4000:]
    check_faults(said)
    with tarfile.open(results) as tar:
        tar.extractall(directory / "out")
    return directory / "out"


def run_here(variant, directory):
    """The same on the running kernel; returns the directory of the results."""
    out = directory / variant
    done = subprocess.run([HERE / "scenarios", out, SONDE, build_workloads(directory)],
                          env={**os.environ, "SONDE_CAPTURE_VARIANT": variant},
                          stdin=subprocess.DEVNULL, timeout=WATCHDOG_S)
    (out / "status").write_text(str(done.returncode))
    return out

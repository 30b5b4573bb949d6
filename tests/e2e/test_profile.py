# SPDX-License-Identifier: Apache-2.0
"""CPU profiles of real programs, compared with what they know of themselves."""
import gzip
import lzma
import math
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import clients
import profcheck
from clients import step
from servers import WORKLOADS, Server, go_program
from traced import SONDE, Account, Agent, Profile, Summary, environment, run, wait_for

FRAME_POINTERS = ["-O1", "-g", "-fno-omit-frame-pointer", "-pthread"]


def build(tmp_path_factory, name, compiler="gcc"):
    source = WORKLOADS / name
    program = tmp_path_factory.mktemp("build") / source.stem
    subprocess.run([compiler, *FRAME_POINTERS, "-o", program, source], check=True)
    return program


@pytest.fixture(scope="session")
def shares(tmp_path_factory):
    return build(tmp_path_factory, "shares.c")


@pytest.fixture(scope="session", params=["threads", "goroutines"])
def routes(request, tmp_path_factory):
    """Burns CPU time in a function for each route."""
    if request.param == "goroutines":
        return go_program("goroutes")
    return build(tmp_path_factory, "routes.c")


@pytest.fixture
def spinning(shares):
    """spinning(SECONDS, *PREFIX) starts the program `shares` beside the test; .wait_done() ends."""
    running = []

    def start(seconds, *prefix, program=shares, **more):
        process = subprocess.Popen([*prefix, program, str(seconds)], stdout=subprocess.PIPE,
                                   text=True, stdin=subprocess.DEVNULL, **more)
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def profile(*args, timeout=60, **more):
    done = run("profile", "--json", *args, timeout=timeout, **more)
    assert done.returncode == 0, done.stderr
    return done


def assert_share(count, total, truth, what):
    """Within four standard deviations of what chance allows."""
    sigma = math.sqrt(truth * (1 - truth) / total)
    assert abs(count / total - truth) < 4 * sigma, f"{what}: {count} of {total}, truly {truth:.3f}"


def assert_whole(account, share):
    """So many of the stacks that could be looked at reach the start of their thread."""
    stacks = account["samples"] - account.get("stacks_cut.process_ended", 0)
    assert account.get("stacks_whole", 0) >= share * stacks, account


# --- what is found ---------------------------------------------------------------------------------

def test_shares(shares):
    """A program that says how much CPU time each of its functions had."""
    done = profile("--freq", "499", "--", shares, "4")
    *printed, summary = done.stdout.splitlines()
    found, account = Summary(summary), Account.read(done.stderr)
    truth = [int(word) for word in printed[-1].split()]
    assert account["samples"] == found.samples and account.samples_lost == 0, account
    # Every sample stands for a period of CPU time.
    used = sum(truth) / found["periodNanos"]
    assert abs(found.samples - used) < 0.05 * used + 4 * math.sqrt(used), (found.samples, used)
    for name, ns in zip(["take_most", "take_some", "take_little"], truth):
        assert_share(found.total_of[name], found.samples, ns / sum(truth), name)
    assert found.total_of["main"] >= 0.99 * found.samples


def test_kernel_and_user_frames(shares):
    """System calls of a function are below it, by way of the C library."""
    found = Summary(profile("--freq", "999", "--", shares, "1").stdout.splitlines()[-1])
    kinds = {f["name"]: f["type"] for f in found["functions"]}
    files = {f["name"]: f["file"] for f in found["functions"]}
    assert kinds["take_most"] == "native" and files["take_most"] == str(shares)
    assert "/libc.so.6" in files["__libc_start_call_main"]
    kernel = [name for name, kind in kinds.items() if kind == "kernel"]
    assert any("syscall" in name.lower() for name in kernel), kernel


def test_cpp_names(tmp_path_factory):
    program = build(tmp_path_factory, "names.cpp", "g++")
    found = Summary(profile("--", program).stdout)
    assert found.total_of["work::Spinner<double>::spin"] > 0.5 * found.samples, found.total_of


@pytest.mark.alone
def test_nginx(tmp_path, nginx):
    with Profile(tmp_path, "-n", "nginx", "--freq", "499") as running:
        subprocess.run(["wrk", "-t1", "-c8", "-d3", nginx.url + "/small"], check=True,
                       stdout=subprocess.DEVNULL)
        running.stop()
    found = running.summary
    assert {p["name"] for p in found["processes"]} == {"nginx"}
    # Built without frame pointers.
    assert found.total_of["ngx_spawn_process"] > 0.95 * found.samples, found.total_of
    assert_whole(running.account, 0.99)
    assert any(re.match("tcp_sendmsg|tcp_write_xmit|__tcp_transmit_skb", name)
               for name in found.total_of)
    assert running.account.samples_lost == 0, running.account


def test_python(tmp_path, python_server):
    with Profile(tmp_path, "-p", python_server.pid, "--freq", "499") as running:
        clients.requests_client(python_server.url, [step()] * 300)
        running.stop()
    python = [f for f in running.summary["functions"] if f["type"] == "cpython"]
    served = [f for f in python if f["name"].endswith("do_GET") or f["name"].endswith("process_request_thread")]
    assert served and served[0]["file"].endswith(".py"), python


def test_perf_map(tmp_path):
    """A JIT compiler tells where its functions are."""
    program = tmp_path / "jit"
    subprocess.run(["gcc", *FRAME_POINTERS, "-o", program, WORKLOADS / "jit.c"], check=True)
    done = profile("--freq", "299", "--json", "--", program, "1", cwd=tmp_path)
    path, *_, summary = done.stdout.splitlines()
    pathlib.Path(path).unlink()
    found = Summary(summary)
    spin = [f for f in found["functions"] if f["name"] == "spinLikeMad"]
    assert sum(f["self"] for f in spin) > 0.8 * found.samples, found["functions"][:10]
    assert {f["type"] for f in spin} == {"jit"}


def test_jitdump(tmp_path):
    """V8 compiles regular expressions to code that no function owns; of that only its jitdump file tells the name."""
    done = profile("--freq", "299", "--json", "--", "node", "--perf-prof", "-e",
                   "const end = Date.now() + 3000, text = 'ab'.repeat(5000) + 'c'; let n = 0;"
                   "while (Date.now() < end) n += /(?:a|b)*?(?:ab)*c$/.test(text)", cwd=tmp_path)
    assert list(tmp_path.glob("jit-*.dump"))
    found = Summary(done.stdout)
    matching = [f for f in found["functions"] if f["name"].startswith("RegExp:(?:a|b)*?")]
    assert sum(f["self"] for f in matching) > 0.7 * found.samples, found["functions"][:10]
    assert {f["type"] for f in matching} == {"jit"}


# --- spans -----------------------------------------------------------------------------------------

class Routes(Server):
    """A workload that burns CPU time in a function for each route."""

    def __init__(self, program, tmp_path, *args):
        self.command = [str(program)]
        super().__init__(tmp_path, *args)


def ask(server, seconds, threads_cnt):
    """Requests of random routes, on a connection for each thread."""
    end = time.monotonic() + seconds

    def one():
        while time.monotonic() < end:
            plan = [step(path=random.choice(["/red", "/green"])) for _ in range(10)]
            assert all(answer["status"] == 200
                       for answer in clients.requests_client(server.url, plan))

    threads = [threading.Thread(target=one) for _ in range(threads_cnt)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def profile_requests(routes, tmp_path, collector, *args):
    """Samples of the server, and its spans by id, as the Collector has them."""
    with Routes(routes, tmp_path, *args) as server:
        with Profile(tmp_path, "-p", server.pid, "--spans", "--freq", "499", "--export",
                     collector.url) as running:
            ask(server, 4, 3)
            running.stop()
        account = running.account
        spans = {s["spanId"]: s for s in collector.wait_spans(account.spans, server.port)}
        samples = wait_for(lambda: collector.samples(server.pid), "the profile to arrive")
        assert not profcheck.violations(collector.profiles()[-1])
    assert len(samples) == account["samples"] == running.summary.samples
    assert account.lost == 0
    return samples, spans, account


def check_links(samples, spans, account):
    """The function in a sample's stack tells which route it served."""
    inside, linked, wrong = 0, 0, []
    for sample in samples:
        names = {frame["name"].removeprefix("main.") for frame in sample["stack"]}
        truth = "/red" if "serve_red" in names else "/green" if "serve_green" in names else None
        span = spans.get(sample["spanId"])
        if sample["spanId"]:
            assert span, "a link to a span that nobody has"
            assert span["kind"] == "SERVER" and span["traceId"] == sample["traceId"]
            assert span["startTimeUnixNano"] <= sample["time"] <= span["endTimeUnixNano"]
            if truth and span["attributes"]["url.path"] != truth:
                wrong.append(sample)
        inside += truth is not None
        linked += truth is not None and span is not None
    assert not wrong
    assert inside > 100 and linked >= 0.99 * inside, (inside, linked)
    assert account["samples_linked"] >= linked


def test_linked_to_spans(routes, tmp_path, collector):
    """A thread, or a goroutine, for each connection."""
    check_links(*profile_requests(routes, tmp_path, collector))


def test_threads_that_poll_are_linked(tmp_path_factory, tmp_path, collector):
    """Their sockets do not block, but each waits for its own: no event loop."""
    routes = build(tmp_path_factory, "routes.c")
    check_links(*profile_requests(routes, tmp_path, collector, "poll"))


def test_pool_is_not_linked(routes, tmp_path, collector):
    """One thread receives, others serve: the receiving thread's samples belong to nobody. A goroutine that receives
    may be linked, those that serve may not."""
    samples, _, _ = profile_requests(routes, tmp_path, collector, "pool")
    assert len(samples) > 100
    linked = [sample for sample in samples if sample["spanId"]]
    assert "goroutes" in str(routes) or not linked
    assert not any("serve_" in frame["name"] for sample in linked for frame in sample["stack"])


def test_without_spans_nothing_is_traced(routes, tmp_path):
    with Routes(routes, tmp_path) as server:
        with Profile(tmp_path, "-p", server.pid) as running:
            ask(server, 0.5, 1)
            running.stop()
    assert running.summary.samples and not running.summary["linked"]
    assert running.account.spans == 0 and "connections" not in running.account


# --- targets and troubles --------------------------------------------------------------------------

def assert_functions(found):
    assert found.samples > 20
    assert found.total_of["take_most"] > 0.4 * found.samples, found.total_of


@pytest.mark.alone
def test_everything(spinning):
    """Without a target the whole machine is sampled, other processes and the kernel's threads too."""
    process = spinning(30)
    done = profile("--duration", "1")
    found = Summary(done.stdout)
    assert process.pid in {p["pid"] for p in found["processes"]}
    assert found.total_of["take_most"] > 0
    assert not any(p["name"] == "sonde" for p in found["processes"])


def test_other_processes_are_left_out(spinning):
    one, _ = spinning(30), spinning(30)
    found = Summary(profile("-p", one.pid, "--duration", "1").stdout)
    assert {p["pid"] for p in found["processes"]} == {one.pid}


def test_deleted_executable(shares, tmp_path, spinning):
    program = tmp_path / "gone"
    shutil.copy(shares, program)
    process = spinning(30, program=program)
    program.unlink()
    assert_functions(Summary(profile("-p", process.pid, "--duration", "1").stdout))


def test_other_mount_namespace(shares, tmp_path, spinning):
    """The executable is where only the process can see it."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    script = f"mount -t tmpfs none {hidden} && cp {shares} {hidden}/inner && exec {hidden}/inner $0"
    process = spinning(30, "unshare", "-m", "sh", "-c", program=script)
    assert not list(hidden.iterdir())
    found = Summary(profile("-p", process.pid, "--duration", "1").stdout)
    assert_functions(found)


@pytest.mark.parametrize("place", ["build-id", "debuglink", "debugdata", "nowhere"])
def test_stripped(shares, tmp_path, spinning, place):
    """Names of what is not exported: in a debug file, or packed into the program, or not at all."""
    program, debug = tmp_path / "stripped", tmp_path / "stripped.debug"
    shutil.copy(shares, program)
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", program], check=True)
    prefix = []
    if place == "build-id":  # where only the process sees it
        notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout
        build_id = re.search(r"Build ID: (\w+)", notes)[1]
        directory = f"/usr/lib/debug/.build-id/{build_id[:2]}"
        script = (f"mkdir -p /usr/lib/debug && mount -t tmpfs none /usr/lib/debug && "
                  f"mkdir -p {directory} && cp {debug} {directory}/{build_id[2:]}.debug && "
                  f"exec {program} $0")
        prefix, program = ["unshare", "-m", "sh", "-c"], script
    elif place == "debuglink":
        subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", program], check=True)
    elif place == "debugdata":
        small = tmp_path / "small"
        subprocess.run(["objcopy", "--strip-debug", shares, small], check=True)
        small.with_suffix(".xz").write_bytes(lzma.compress(small.read_bytes()))
        subprocess.run(["objcopy", f"--add-section=.gnu_debugdata={small}.xz", program], check=True)
    process = spinning(30, *prefix, program=program)
    found = Summary(profile("-p", process.pid, "--duration", "1").stdout)
    if place == "nowhere":
        assert "take_most" not in found.total_of
        unnamed = [f for f in found["functions"] if not f["name"] and f["file"] == str(program)]
        assert unnamed[0]["total"] > 0.9 * found.samples
    else:
        assert_functions(found)


def test_short_lived(shares):
    """Processes that end before their mappings are read are counted, and the rest goes on."""
    script = f"for i in 1 2 3 4 5 6 7 8 9 10; do {shares} 0.005; done; exec {shares} 1"
    done = profile("--freq", "999", "--", "sh", "-c", script)
    found = Summary(done.stdout.splitlines()[-1])
    cut = Account.read(done.stderr).get("stacks_cut.process_ended", 0)
    assert found.total_of.get("[process ended]", 0) == cut
    assert_functions(found)


def test_first_seen_at_the_end(tmp_path, tmp_path_factory):
    """A process of which the first sample is of its end is told by its name, as others are."""
    program = build(tmp_path_factory, "filler.c")
    with Profile(tmp_path, "-n", program.name, "--freq", "19") as running:
        for _ in range(100):
            subprocess.run([program], check=True)
        running.stop()
    assert running.summary.samples > 20
    assert {p["name"] for p in running.summary["processes"]} == {program.name}


def test_no_samples():
    done = profile("--", "true")
    assert Summary(done.stdout).samples < 5


def test_status_of_the_command(shares):
    assert run("profile", "--", "sh", "-c", "exit 7").returncode == 7
    assert run("profile", "--", "/no/such/program").returncode == 127


def test_duration_ends_the_command(shares):
    done = run("profile", "--json", "--duration", "1", "--", shares, "100")
    assert done.returncode == 128 + signal.SIGTERM
    assert_functions(Summary(done.stdout.splitlines()[-1]))


def test_wrong_pid():
    done = run("profile", "-p", "4194000")
    assert done.returncode == 1 and "there is no process 4194000" in done.stderr


def test_no_permission():
    done = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", SONDE, "profile",
                           "--duration", "1"], capture_output=True, text=True, timeout=20,
                          env=environment())
    assert done.returncode == 1 and "CAP_PERFMON" in done.stderr, done.stderr


@pytest.mark.parametrize("args, said", [
    (["-o", "profile.txt"], "ends in none of .svg, .html, .folded, .pb.gz, .json"),
    (["-o", ".svg"], "ends in none of .svg, .html, .folded, .pb.gz, .json"),
    (["--freq", "0"], "is not a number from 1 to"),
    (["--freq", "100000"], "is not a number from 1 to"),
    (["--freq", "9x"], "is not a number from 1 to"),
    (["--port", "80"], "is not an option of 'sonde profile'"),
])
def test_usage(args, said):
    done = run("profile", *args)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_unwritable_output():
    done = run("profile", "-o", "/nonexistent/a.svg", "--", "true")
    assert done.returncode == 1 and "cannot write /nonexistent/a.svg" in done.stderr


# --- output ----------------------------------------------------------------------------------------

def test_files(shares, tmp_path):
    def write(name):
        done = run("profile", "-o", tmp_path / name, "--", shares, "1")
        assert done.returncode == 0 and f"wrote {tmp_path / name}" in done.stderr, done.stderr
        return (tmp_path / name).read_bytes()

    folded = write("a.folded").decode()
    assert re.search(r"^shares;.*;main;take_most\S* \d+$", folded, re.M), folded
    assert b"take_most" in write("a.svg")
    assert b"take_most" in gzip.decompress(write("a.pb.gz"))


def test_text(shares):
    done = run("profile", "--", shares, "1")
    assert re.search(r"samples in .* of CPU time", done.stdout)
    assert re.search(r"^ *\d+\.\d% +\d+\.\d%  take_most +shares$", done.stdout, re.M), done.stdout
    # A page of the stack that is not in memory cannot be read by a sample.
    assert re.search(r"^\d+ samples, none lost; \d+ stacks whole(; stacks cut: [1-3] unreadable)?$",
                     done.stderr, re.M), done.stderr
    assert "-o FILE.svg" in done.stderr


def test_agent(tmp_path, collector, spinning):
    """The daemon exports a profile of everything in each interval."""
    process = spinning(60)
    config = {"profiles": {"enabled": True, "frequency": 99, "interval": "1s"},
              "export": {"endpoint": collector.url}}
    with Agent(tmp_path, config) as agent:
        wait_for(lambda: len({s["time"] // 10**9 for s in collector.samples(process.pid)}) >= 3,
                 "three seconds of samples", timeout=20)
        agent.stop()
    samples = collector.samples(process.pid)
    most = [s for s in samples if any(f["name"] == "take_most" for f in s["stack"])]
    assert len(most) > 0.4 * len(samples)
    assert {s["resource"]["service.name"] for s in samples} == {"shares"}
    own = [s for s in collector.samples(agent.process.pid)]
    assert not own

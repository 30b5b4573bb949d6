# SPDX-License-Identifier: Apache-2.0
"""Runs sonde: the tool (Trace), the agent (Agent), and reads what they say."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

from net import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
unique = itertools.count(1)
SONDE = os.environ.get("SONDE", str(ROOT / "sonde"))


def environment(**more):
    """The environment without settings of sonde's own or a proxy's, plus more."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("SONDE_", "OTEL_")) and not k.lower().endswith("_proxy")}
    return {**kept, **more}


def run(*args, env=None, timeout=20, **more):
    """Runs sonde to its end; returns the completed process with text output."""
    return subprocess.run([SONDE, *map(str, args)], capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL,
                          env=environment(**(env or {})), **more)


def wait_for(condition, what, timeout=10.0, pause=0.02):
    """Polls until the condition holds, and returns its value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(pause)
    return value


@contextlib.contextmanager
def stopped(process):
    """It does nothing meanwhile."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


class Account(dict):
    """The last line of `sonde trace --json`: counters by "stem" or "stem.cause", none that is 0."""

    @classmethod
    def read(cls, text):
        lines = [line for line in text.splitlines() if line.startswith("account: ")]
        assert lines, f"no account on standard error:\n{text}"
        return cls(json.loads(lines[-1].removeprefix("account: ")))

    @property
    def spans(self):
        return self.get("spans", 0)

    @property
    def lost(self):
        return sum(n for name, n in self.items() if name.startswith("lost."))

    @property
    def samples_lost(self):
        """But for threads that are met for the first time while their CPU is at task storage, another tracer's perhaps."""
        return sum(n for name, n in self.items() if name.startswith("samples_lost.")) - min(
            self.get("samples_lost.task_state", 0), 1 + self.get("samples", 0) // 500)

    @property
    def untold(self):
        """Spans that were made and are not in the output, as writing it took too long."""
        return self.get("export_lost.queue_full", 0)


class Trace:
    """`sonde trace --json ARGS`, from attached to stopped. A context manager."""
    name, doing = "trace", "tracing"

    def __init__(self, tmp_path, *args, env=None, json_lines=True):
        number = next(unique)
        self.stdout_path = tmp_path / f"{self.name}-{number}.out"
        self.stderr_path = tmp_path / f"{self.name}-{number}.err"
        self.command = [SONDE, self.name, *(["--json"] if json_lines else []), *map(str, args)]
        self.env = environment(**(env or {}))
        self.process = None

    def __enter__(self):
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=err, env=self.env,
                                            stdin=subprocess.DEVNULL)
        wait_for(lambda: self.doing in self.stderr or self.process.poll() is not None,
                 "sonde to attach")
        assert self.process.poll() is None, f"sonde ended:\n{self.stderr}"
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait_spans(self, count):
        """Waits until so many have been told. By then the kernel knows what their connections
        speak, and what to copy of them."""
        wait_for(lambda: self.stdout.count("\n") >= count, f"{count} spans", timeout=20)

    def stop(self, sig=signal.SIGINT):
        """Ends the trace; everything that happened before is in .spans after it."""
        time.sleep(0.2)  # the last packets of the workload pass
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(timeout=20)
        assert status == 0, f"sonde ended with {status}:\n{self.stderr}"
        return self

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    @property
    def stdout(self):
        return self.stdout_path.read_text()

    @property
    def spans(self):
        return read_spans(self.stdout)

    @property
    def account(self):
        return Account.read(self.stderr)


class Profile(Trace):
    """`sonde profile --json ARGS`, from sampling to stopped. A context manager."""
    name, doing = "profile", "profiling"

    @property
    def summary(self):
        return Summary(self.stdout)


class Summary(dict):
    """What `sonde profile --json` prints."""

    def __init__(self, text):
        super().__init__(json.loads(text))
        self.self_of, self.total_of = {}, {}
        for function in self["functions"]:  # one name may be in several files
            name = function["name"]
            self.self_of[name] = self.self_of.get(name, 0) + function["self"]
            self.total_of[name] = self.total_of.get(name, 0) + function["total"]

    @property
    def samples(self):
        return self["samples"]


def read_spans(text):
    """The spans of `--json` output, times as integers. Every line must be a whole object."""
    spans = []
    for line in text.splitlines():
        span = json.loads(line)
        span["startTimeUnixNano"] = int(span["startTimeUnixNano"])
        span["endTimeUnixNano"] = int(span["endTimeUnixNano"])
        spans.append(span)
    return spans


class Agent:
    """`sonde agent` on a configuration (a dictionary), until stopped. A context manager."""

    def __init__(self, tmp_path, config, env=None):
        self.port = free_port()
        number = next(unique)
        self.config_path = tmp_path / f"agent-{number}.yaml"
        self.log_path = tmp_path / f"agent-{number}.log"
        self.env = environment(**(env or {}))
        self.process = None
        self.write_config(config)

    def write_config(self, config):
        config = {"control": {"listen": f"127.0.0.1:{self.port}"}, **config}
        self.config_path.write_text(json.dumps(config, indent=2))  # JSON is YAML

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([SONDE, "agent", "-c", self.config_path], stdout=log,
                                            stderr=log, env=self.env, stdin=subprocess.DEVNULL)
        wait_for(lambda: self.ready() or self.process.poll() is not None, "the agent to be ready")
        assert self.process.poll() is None, f"the agent ended:\n{self.log}"
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return response.read().decode()

    def ready(self):
        try:
            return bool(self.get("/readyz"))
        except OSError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        assert status == 0, f"the agent ended with {status}:\n{self.log}"
        return self

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def metrics(self):
        """Values by name with labels, e.g. 'sonde_lost_total{cause="gap"}'."""
        found = re.findall(r"^(sonde_\S+) (\S+)$", self.get("/metrics"), re.M)
        return {name: float(value) for name, value in found}

    def wait_spans(self, count):
        """As of a Trace."""
        try:
            wait_for(lambda: self.metrics().get("sonde_spans_total", 0) >= count, f"{count} spans",
                     timeout=20)
        except AssertionError as error:
            counted = {name: n for name, n in self.metrics().items() if n}
            raise AssertionError(f"{error}: {counted}") from None

    def settled_metrics(self, still=0.7, most=10):
        """The metrics once the account has not moved for `still` seconds (or after `most`, where
        others on this host keep it moving)."""
        last, since, end = None, time.monotonic(), time.monotonic() + most
        while time.monotonic() < end and time.monotonic() - since < still:
            now = self.metrics()
            account = {k: v for k, v in now.items()
                       if k.startswith(("sonde_spans", "sonde_lost", "sonde_requests"))}
            if account != last:
                last, since = account, time.monotonic()
            time.sleep(0.1)
        return now


def lost(metrics):
    """Exchanges lost, all causes."""
    return int(sum(v for k, v in metrics.items() if k.startswith("sonde_lost_total")))


def check_counted(metrics, truth, share=0.001):
    """Spans + lost by cause = ends of exchanges, but for that share. Returns how many spans."""
    spans, gone = int(metrics["sonde_spans_total"]), lost(metrics)
    told = {k: int(v) for k, v in metrics.items() if v and k.startswith("sonde_")}
    print(f"{truth} ends of exchanges, {spans} spans, {gone} lost")
    assert abs(spans + gone - truth) <= truth * share, (truth, told)
    return spans


def check_steady(tmp_path, port, load, rate=20_000):
    """Nothing is lost at that many operations a second. load(RATE) returns how many there were and
    by how many seconds the latest was late. A load that was held up catches up in a burst, of which
    something may be lost: all is counted, and it is tried again, in the end more slowly."""
    for part in (1, 1, 1, 2, 4):
        with Agent(tmp_path, {"targets": {"ports": [port]}, "export": {"discard": True}}) as agent:
            operations, late = load(rate // part)
            metrics = agent.settled_metrics()
            agent.stop()
        check_counted(metrics, 2 * operations)
        if not lost(metrics):
            assert int(metrics["sonde_spans_total"]) == 2 * operations
            return
        assert late > 0.1, f"{lost(metrics)} lost of {operations}, none of which was late"
    raise AssertionError(f"{lost(metrics)} lost of {operations} at {rate // part} a second")

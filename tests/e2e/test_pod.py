# SPDX-License-Identifier: Apache-2.0
"""sonde as a pod of the DaemonSet runs it: root, mount, cgroup, uts and ipc namespaces of its own, the
host's processes, and beside it a pod of an application, in cgroups named as containerd names them."""
import contextlib
import os
import pathlib
import secrets
import subprocess
import time
import urllib.request
import uuid

import pytest

import clients
import servers
from checks import of_kind
from clients import step
from manifests import Pod
from test_attach import cgroup2_mount
from traced import ROOT, SONDE, Agent, environment, run, wait_for

pytestmark = pytest.mark.alone

ADDRESS = "127.0.77.9"
NODE = "node-a.example"
# What a pod's container sees of the host's files: here, the libraries.
SHARED = ["usr", "lib", "lib64", "bin", "sbin"]
CONTAINER = r"""
set -eu
root=$1
hostname sonde-x2k9q
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --bind "$2" "$root/opt/sonde"
for dir in $3; do [ ! -d "$root/$dir" ] || mount --rbind "/$dir" "$root/$dir"; done
shift 3
exec chroot "$root" /opt/sonde "$@"
"""


class Container:
    """A cgroup that containerd would have made for a container with the systemd driver."""

    def __init__(self, top):
        self.id = secrets.token_hex(32)
        self.pod_uid = str(uuid.uuid4())
        name = f"kubepods-burstable-pod{self.pod_uid.replace('-', '_')}.slice"
        self.path = (top / "kubepods.slice/kubepods-burstable.slice" / name
                     / f"cri-containerd-{self.id}.scope")
        self.path.mkdir(parents=True)

    def within(self, *command):
        """The command, run in the cgroup and, as containers are, in namespaces that begin there."""
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.path),
                "unshare", "--cgroup", "--uts", "--ipc", "--mount", *map(str, command)]


@pytest.fixture
def node():
    """node() makes a container's cgroup. Comes before what starts processes there: it is undone
    after them."""
    mount = cgroup2_mount()
    assert mount, "no cgroup v2 hierarchy is mounted"
    top = mount / f"sonde-e2e-{os.getpid()}"
    yield lambda: Container(top)
    directories = sorted((p for p in top.rglob("*") if p.is_dir()), key=str, reverse=True)
    for directory in [*directories, top]:
        with contextlib.suppress(OSError):
            wait_for(lambda d=directory: not (d / "cgroup.procs").read_text(), "its processes", 5)
            directory.rmdir()
    assert not top.exists()


class AgentPod:
    """The agent with what daemonset.yaml gives it: arguments, environment, files, probes."""

    def __init__(self, tmp_path, container, **env):
        self.pod = Pod("DaemonSet", "sonde-agent")
        assert self.pod.spec["hostPID"] is True
        self.log = tmp_path / "agent-pod.log"
        root = tmp_path / "root"
        for directory in ("proc", "sys", "opt", "etc", *[d for d in SHARED
                                                         if not os.path.islink(f"/{d}")]):
            (root / directory).mkdir(parents=True)
        for link in SHARED:
            if os.path.islink(f"/{link}"):
                (root / link).symlink_to(os.readlink(f"/{link}"))
        (root / "opt/sonde").touch()
        (root / "etc/hostname").write_text("sonde-x2k9q\n")
        for path, text in self.pod.files().items():
            (root / path[1:]).parent.mkdir(exist_ok=True)
            (root / path[1:]).write_text(text)
        self.command = container.within("sh", "-c", CONTAINER, "sh", root, SONDE,
                                        " ".join(SHARED), *self.pod.args)
        self.env = environment(**self.pod.environment(status_podIP=ADDRESS, spec_nodeName=NODE))
        self.env |= env

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env,
                                            stdin=subprocess.DEVNULL)
        wait_for(lambda: self.probe("readinessProbe") or self.process.poll() is not None,
                 "the agent to be ready")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def probe(self, kind):
        path, port = self.pod.probe(kind)
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{ADDRESS}:{port}{path}", timeout=5) as page:
                return page.status == 200
        return False

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0, self.log.read_text()


def host_file(path):
    """What the agent can know of it: "" where not even root may look at the first process."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/1/root{path}").read_text().strip()
    return ""


def start_shop(tmp_path, container):
    return servers.PythonServer(tmp_path, prefix=container.within(), env={
        "HOSTNAME": "shop-7d9f8b6c5d-x2k9q", "KUBERNETES_SERVICE_HOST": "10.96.0.1"})


def curl_within(container, url):
    subprocess.run(container.within("curl", "-sS", "-o", "/dev/null", url), check=True,
                   env=environment(), stdin=subprocess.DEVNULL)


def test_daemonset(tmp_path, node, start, collector, python_server):
    """Spans carry the application's container and pod, and the node; never sonde's own."""
    shop_container = node()
    shop = start(start_shop(tmp_path, shop_container))
    agent = start(AgentPod(tmp_path, node(), SONDE_EXPORT_ENDPOINT=collector.url))
    assert agent.probe("livenessProbe")
    for _ in range(5):
        curl_within(shop_container, shop.url + "/small")
    clients.curl_client(python_server.url, [step()] * 3)
    agent.stop()
    spans = collector.wait_spans(10, shop.port)
    assert len(spans) == 10, agent.log.read_text()
    outside = collector.wait_spans(6, python_server.port)
    assert len(outside) == 6
    for span in spans:
        assert span["resource"]["container.id"] == shop_container.id
        assert span["resource"]["k8s.pod.uid"] == shop_container.pod_uid
    for span in of_kind(spans, "SERVER"):
        assert span["resource"]["service.name"] == "shop"
        assert span["resource"]["k8s.pod.name"] == "shop-7d9f8b6c5d-x2k9q"
    for span in outside:
        assert not {"container.id", "k8s.pod.uid", "k8s.pod.name"} & set(span["resource"])
    for span in spans + outside:
        assert span["resource"]["k8s.node.name"] == NODE
        assert span["resource"]["host.name"] == (host_file("/etc/hostname") or NODE)
        assert span["resource"].get("host.id", "") == host_file("/etc/machine-id")
        assert "process.linux.cgroup" not in span["resource"], "it is not that of the host"


def test_container_target(tmp_path, node, start, collector, python_server):
    """The host's cgroups are mounted, so that a container can be chosen by its id."""
    shop_container = node()
    shop = start(start_shop(tmp_path, shop_container))
    agent = start(AgentPod(tmp_path, node(), SONDE_EXPORT_ENDPOINT=collector.url,
                           SONDE_TARGETS_CONTAINERS=shop_container.id[:12]))
    before = len(collector.spans())
    for port_url in (python_server.url, shop.url, python_server.url):
        clients.curl_client(port_url, [step()] * 2)
    agent.stop()
    spans = collector.wait_spans(before + 2)[before:]
    assert [(s["kind"], s["attributes"]["server.port"]) for s in spans] == \
        [("SERVER", shop.port)] * 2, agent.log.read_text()


def test_container_of_an_ended_process(tmp_path, node, python_server, tracing):
    """When a process is gone before /proc was read, its record tells the container: here all are
    gone, for it is a replay."""
    container = node()
    ring = tmp_path / "ring"
    trace = tracing("-n", "curl", "--record", ring)
    curl_within(container, python_server.url + "/small")
    trace.stop()
    done = run("replay", "--json", ring)
    assert done.returncode == 0, done.stderr
    (span,) = [clients.json.loads(line) for line in done.stdout.splitlines()]
    assert span["resource"]["container.id"] == container.id
    assert span["resource"]["k8s.pod.uid"] == container.pod_uid


def unit_capabilities():
    for line in (ROOT / "deploy/sonde.service").read_text().splitlines():
        if line.startswith("CapabilityBoundingSet="):
            return [word.removeprefix("CAP_").lower() for word in line.partition("=")[2].split()]
    raise ValueError("the unit bounds no capabilities")


def test_capabilities(tmp_path, start, collector, monkeypatch):
    """With no more than the capabilities of the systemd unit, a span says what it says with all, also
    of another user's process whose environment is longer than what the kernel side copies."""
    server = start(servers.PythonServer(tmp_path, prefix=["setpriv", "--reuid=65534",
                                                          "--regid=65534", "--clear-groups"],
                                        env={"LONG": "x" * 40000, "OTEL_SERVICE_NAME": "other"}))
    bounded = tmp_path / "bounded"
    bounded.write_text('#!/bin/sh\nexec setpriv --bounding-set=-all,'
                       + ",".join(f"+{c}" for c in unit_capabilities())
                       + f' --inh-caps=-all {SONDE} "$@"\n')
    bounded.chmod(0o755)
    resources = []
    for program in (SONDE, bounded):
        monkeypatch.setattr("traced.SONDE", str(program))
        with Agent(tmp_path, {"targets": {"ports": [server.port]},
                              "export": {"endpoint": collector.url}}) as agent:
            held = len(collector.spans(server.port))
            clients.curl_client(server.url, [step()])
            agent.stop()
        spans = collector.wait_spans(held + 2, server.port)[held:]
        (served,) = of_kind(spans, "SERVER")
        resources.append(served["resource"])
        time.sleep(0.1)
    assert resources[0] == resources[1]
    assert resources[0]["service.name"] == "other" and resources[0]["process.pid"] == server.pid

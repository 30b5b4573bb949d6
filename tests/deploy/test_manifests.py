# SPDX-License-Identifier: Apache-2.0
"""tools/check-deploy finds what is wrong with manifests and Dockerfiles: each row breaks what
deploy/ holds in one place."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(kind, path):
    return subprocess.run([ROOT / "tools/check-deploy", kind, path], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)


def broken(path, old, new):
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new, 1))


def test_overlay_of_the_manual(tmp_path):
    """The one that deploy/README.md shows: its image, its backend and its secret reach the pods."""
    (overlay,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "deploy/README.md").read_text(), re.S)
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "deploy/kubernetes")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/kustomization.yaml").write_text(overlay)
    done = check("kustomize", tmp_path / "own")
    assert done.returncode == 0, done.stderr
    found = {(o["kind"], o["metadata"]["name"]): o for o in json.loads(done.stdout)}

    def container(kind, name):
        return found[kind, name]["spec"]["template"]["spec"]["containers"][0]
    assert container("DaemonSet", "sonde-agent")["image"] == "registry.example/sonde:1"
    settings, secret = container("StatefulSet", "sonde-gateway")["envFrom"]
    data = found["ConfigMap", settings["configMapRef"]["name"]]["data"]
    assert data["GATEWAY_EXPORTER"] == "otlp_http" and data["SAMPLING_PERCENT"] == "10"
    assert "GATEWAY_HEADERS" in found["Secret", secret["secretRef"]["name"]]["data"]


def test_as_they_are():
    for kind, path in (("kustomize", "deploy/kubernetes"), ("dockerfile", "deploy/Dockerfile")):
        done = check(kind, path)
        assert done.returncode == 0, done.stderr


AGENT, GATEWAY, SERVICES = "agent/daemonset.yaml", "gateway/statefulset.yaml", "gateway/services.yaml"
MANIFESTS = [
    # fields that there are not, and values of another type
    (AGENT, "hostPID: true", "hostPid: true", 'unknown field "spec.template.spec.hostPid"'),
    (AGENT, "privileged: true", "privileged: yes please", "cannot unmarshal string"),
    (AGENT, "memory: 64Mi", "memory: 64 MiB", "quantities must match"),
    (GATEWAY, "replicas: 3", "replica: 3", 'unknown field "spec.replica"'),
    (GATEWAY, "kind: StatefulSet", "kind: StatefullSet", "no kind"),
    (SERVICES, "targetPort: otlp-grpc", "target: otlp-grpc", 'unknown field "spec.ports[0].target"'),
    # what does not fit together
    (AGENT, "matchLabels: *labels", "matchLabels: {app: sonde}", "does not choose its own pods"),
    (AGENT, "serviceAccountName: sonde-agent", "serviceAccountName: other", 'no ServiceAccount'),
    (AGENT, "priorityClassName: sonde-agent", "priorityClassName: other", "no PriorityClass"),
    (AGENT, "path: /healthz, port: health", "path: /healthz, port: healthz", "liveness probe"),
    (AGENT, "path: /readyz, port: health", "path: /readyz, port: 9465", "readiness probe"),
    (AGENT, "- name: cgroup\n              mount", "- name: cgroups\n              mount",
     'mounts the volume "cgroups"'),
    (AGENT, "- name: POD_IP\n", "- name: ADDRESS\n", "names $(POD_IP), which is not set before"),
    (AGENT, "            name: sonde-agent\n", "            name: agent\n", "no ConfigMap"),
    (AGENT, "- name: K8S_NODE_NAME", "- name: POD_IP", "sets POD_IP twice"),
    (GATEWAY, "configMapRef: {name: sonde-gateway}", "configMapRef: {name: x}", "no ConfigMap"),
    (GATEWAY, ", optional: true", "", "no Secret"),
    (GATEWAY, "serviceName: sonde-gateway-traces", "serviceName: sonde-gateway", "not headless"),
    (GATEWAY, "image: otel/opentelemetry-collector-contrib:0.159.0", "image:", "has no image"),
    (GATEWAY, "    metadata:\n      labels: *labels", "    metadata: {}", "chooses no pods"),
    (SERVICES, "targetPort: otlp-traces", "targetPort: 4320", "is no port of"),
    (SERVICES, "component: gateway", "component: gate", "Service/sonde-gateway: its selector"),
    ("agent/kustomization.yaml", "sonde.yaml", "sonde.yml", "sonde.yml"),
    ("kustomization.yaml", "- gateway", "- gateways", "gateways"),
]


@pytest.mark.parametrize("file, old, new, message", MANIFESTS)
def test_broken_manifests(tmp_path, file, old, new, message):
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "kubernetes")
    broken(tmp_path / "kubernetes" / file, old, new)
    done = check("kustomize", tmp_path / "kubernetes")
    assert done.returncode == 1 and message in done.stderr, done.stderr


@pytest.mark.parametrize("old, new, message", [
    ("FROM debian:12 AS build", "FROM debian AS build", "FROM debian"),
    ("FROM debian:12-slim", "FROM debian:latest", "FROM debian:latest"),
    ("RUN tools", "RAN tools", "RAN"),
    ("COPY proto proto", "COPY protobuf proto", "protobuf"),
    ("COPY proto proto", "COPY --frm=x proto proto", "frm"),
    ("--from=build /packages", "--from=builder /packages", "builder"),
    ('ENTRYPOINT ["/usr/bin/sonde"]', "ENTRYPOINT /usr/bin/sonde", "ENTRYPOINT"),
])
def test_broken_dockerfiles(tmp_path, old, new, message):
    file = tmp_path / "Dockerfile"
    shutil.copy(ROOT / "deploy/Dockerfile", file)
    broken(file, old, new)
    done = check("dockerfile", file)
    assert done.returncode == 1 and message in done.stderr, done.stderr

# SPDX-License-Identifier: Apache-2.0
"""The objects of deploy/kubernetes as a cluster would get them, and what a pod of theirs is given."""
import functools
import json
import re
import subprocess

from traced import ROOT


@functools.cache
def objects():
    done = subprocess.run([ROOT / "tools/check-deploy", "kustomize", "deploy/kubernetes"],
                          check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return json.loads(done.stdout)


def find(kind, name):
    (found,) = [o for o in objects() if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


class Pod:
    """The one container of a workload's pod, and its files and environment."""

    def __init__(self, kind, name):
        self.spec = find(kind, name)["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        self.args = self.container["args"]

    def environment(self, **fields):
        """The variables; fields are those of the downward API, as statusPodIP="10.0.0.1"."""
        env = {}
        for source in self.container.get("envFrom", []):
            if "configMapRef" in source:
                env |= find("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in self.container["env"]:
            if "valueFrom" in variable:
                path = variable["valueFrom"]["fieldRef"]["fieldPath"]
                env[variable["name"]] = fields[path.replace(".", "_")]
            else:
                env[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda m: env[m[1]],
                                               variable["value"])
        return env

    def files(self):
        """{path in the container: text} of the ConfigMaps that are mounted."""
        maps = {v["name"]: v["configMap"]["name"] for v in self.spec["volumes"]
                if "configMap" in v}
        return {f"{mount['mountPath']}/{name}": text for mount in self.container["volumeMounts"]
                if mount["name"] in maps
                for name, text in find("ConfigMap", maps[mount["name"]])["data"].items()}

    def probe(self, kind):
        """(path, port number) of the livenessProbe or readinessProbe."""
        get = self.container[kind]["httpGet"]
        (port,) = [p["containerPort"] for p in self.container["ports"] if p["name"] == get["port"]]
        return get["path"], port

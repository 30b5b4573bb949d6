# SPDX-License-Identifier: Apache-2.0
"""MongoDB's protocol: a FerretDB server, pymongo and the driver for Go, which tell what they did."""
import json
import subprocess
import sys

import pytest

from checks import check_inside, check_socket_parents, of_kind
from servers import WORKLOADS, PortServer
from traced import ROOT, environment

# What drivers send on their own, of which their listeners are not told.
OWN = {"hello", "isMaster", "ismaster"}

PLAN = [
    ["command", {"ping": 1}],
    ["insert_one", {"_id": 1, "secret": "s3cret"}],
    ["insert_one", {"_id": 1}],
    ["insert_many", [{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}]],
    ["find", {"a": {"$gt": 0}, "name": {"$nin": ["x", "y"]}}],
    ["update_many", {"a": 1}, {"$set": {"b": 2}}],
    ["delete_many", {"a": 2}],
    ["command", {"nosuch": 1}],
    ["count_documents", {"a": 1}],
    ["find_one", {"a": 3}],
    ["aggregate", [{"$match": {"a": 3}}, {"$limit": 1}]],
    ["command", {"count": "items"}],
    ["drop"],
]


def programs():
    done = subprocess.run([ROOT / "tools/mongo-workload"], check=True, text=True,
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return done.stdout.strip()


class FerretDB(PortServer):
    service = "mongo_server"

    def make_command(self, tmp_path):
        (tmp_path / "mongo").mkdir()
        return [f"{programs()}/mongo_server", f"127.0.0.1:{self.fixed_port}", tmp_path / "mongo"]


class PyMongo:
    """A client that performs one operation after the other. A context manager."""

    def __init__(self, port):
        self.command = [sys.executable, str(WORKLOADS / "mongo_client.py"), str(port)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env=environment())
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def do(self, plan):
        """The commands that the operations were, as the driver tells."""
        commands = []
        for operation in plan:
            self.process.stdin.write(json.dumps(operation) + "\n")
            self.process.stdin.flush()
            commands += json.loads(self.process.stdout.readline())
        return commands


@pytest.fixture
def ferretdb(tmp_path, start):
    return start(FerretDB(tmp_path))


def operations(spans):
    """Without what the driver asks for itself, at any time."""
    return [s for s in spans if s["attributes"]["db.operation.name"] not in OWN]


def check_operation(span, command, port):
    a = span["attributes"]
    name = command["name"] + (f" {command['collection']}" if command["collection"] else "")
    code = None if command["code"] is None else str(command["code"])
    assert span["name"] == name
    assert a["db.system.name"] == "mongodb"
    assert a["db.operation.name"] == command["name"]
    assert a["db.namespace"] == command["db"]
    assert a.get("db.collection.name") == command["collection"]
    assert a.get("db.response.status_code") == code, span
    assert a.get("error.type") == code
    assert span["status"] == ("ERROR" if code else "UNSET")
    assert (a["server.address"], a["server.port"]) == ("127.0.0.1", port)


def check_all(trace, commands, port):
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(operations(trace.spans), kind)
        assert [s["attributes"]["db.operation.name"] for s in spans] == \
            [c["name"] for c in commands]
        for span, command in zip(spans, commands):
            check_operation(span, command, port)
    check_inside(check_socket_parents(operations(trace.spans)))
    assert trace.account.lost == 0, trace.stderr


def test_operations(tracing, start, ferretdb):
    """Each command is a span at both ends, with its collection, database and outcome."""
    trace = tracing("--port", ferretdb.port)
    commands = start(PyMongo(ferretdb.port)).do(PLAN)
    trace.stop()
    assert {c["code"] for c in commands} == {None, 11000, 59}
    check_all(trace, commands, ferretdb.port)
    check_socket_parents(trace.spans)
    assert {s["name"] for s in trace.spans} & OWN  # the handshake
    by_name = {s["name"]: s["attributes"] for s in of_kind(operations(trace.spans), "CLIENT")}
    assert by_name["insert items"]["db.operation.batch.size"] == 4
    assert by_name["update items"]["db.query.text"].startswith('{"update": "items"')
    texts = [s["attributes"].get("db.query.text", "") for s in trace.spans]
    assert not any("s3cret" in text for text in texts)
    assert any('"filter": {"a": {"$gt": ?}, "name": {"$nin": [?]}}' in text for text in texts)


def test_attach_in_mid_connection(tracing, start, ferretdb):
    client = start(PyMongo(ferretdb.port))
    client.do([["insert_one", {"a": 1}], ["find_one", {"a": 1}]])
    trace = tracing("--port", ferretdb.port)
    commands = client.do(PLAN)
    trace.stop()
    check_all(trace, commands, ferretdb.port)


def test_full_speed(tracing, ferretdb):
    """All commands of many connections are accounted for."""
    trace = tracing("--port", ferretdb.port)
    done = subprocess.run([f"{programs()}/mongo_client", str(ferretdb.port), "16", "400"],
                          check=True, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=environment())
    trace.stop()
    truth = json.loads(done.stdout)
    total, lost = sum(truth["commands"].values()), trace.account.lost
    for kind in ("CLIENT", "SERVER"):
        spans = of_kind(operations(trace.spans), kind)
        assert abs(total - len(spans) - lost) <= total / 1000, (kind, total, len(spans), lost)
        assert lost <= total / 100, trace.stderr
        failed = [s for s in spans if s["status"] == "ERROR"]
        assert abs(len(failed) - truth["failed"]) <= lost
    if lost == 0:
        check_socket_parents(trace.spans)

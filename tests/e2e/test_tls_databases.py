# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, MariaDB and Redis over TLS: every statement a client makes, at both ends."""
import os
import pwd
import shutil
import subprocess
import sys

import psycopg
import pytest
import redis

import servers
from checks import check_inside, check_socket_parents, of_kind
from databases import SECRET, check_pairs, finish
from mariadb import MariaDb
from postgresql import Postgres
from traced import Agent, check_counted, environment

ASYNCPG = """
import asyncio, ssl, sys
import asyncpg

async def main():
    connection = await asyncpg.connect(host="127.0.0.1", port=sys.argv[1], user="postgres",
                                       database="postgres", ssl=ssl.create_default_context())
    for statement in sys.argv[2:]:
        try:
            await connection.fetch(statement)
        except asyncpg.PostgresError:
            pass
    await connection.close()

asyncio.run(main())
"""


def own(pem, directory, user):
    """A copy of the server's key for a user."""
    copy = directory / "server.pem"
    shutil.copy(pem, copy)
    copy.chmod(0o600)
    identity = pwd.getpwnam(user)
    os.chown(copy, identity.pw_uid, identity.pw_gid)
    return copy


class Database(Postgres):
    sslmode = "require"

    def __init__(self, directory, authority):
        super().__init__(directory)
        pem = own(authority.pem, self.directory, "postgres")
        self.settings = ["-c", "ssl=on", "-c", f"ssl_cert_file={pem}", "-c", f"ssl_key_file={pem}"]

    def __enter__(self):
        super().__enter__()
        self.psql("CREATE TABLE items (id int PRIMARY KEY, name text)",
                  "INSERT INTO items SELECT i, 'item' || i FROM generate_series(1, 100) i")
        return self

    def by_psql(self, authority, *statements):
        self.psql(*statements)

    def by_psycopg(self, authority, *statements):
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres",
                             sslmode="verify-full", sslrootcert=authority.ca,
                             autocommit=True) as connection:
            for statement in statements:
                try:
                    connection.execute(statement)
                except psycopg.Error:
                    pass

    def by_asyncpg(self, authority, *statements):
        subprocess.run([sys.executable, "-c", ASYNCPG, str(self.port), *statements], check=True,
                       stdin=subprocess.DEVNULL, env=environment(**authority.env))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory, authority):
    with Database(tmp_path_factory.mktemp("postgresql"), authority) as running:
        yield running


def check_known(trace, port):
    assert port not in [row["port"] for row in trace.account.get("unknown", [])], trace.account


@pytest.mark.parametrize("client", [Database.by_psql, Database.by_psycopg, Database.by_asyncpg])
def test_postgresql(tracing, postgres, authority, client):
    trace = tracing("--port", postgres.port)
    client(postgres, authority, f"SELECT * FROM items WHERE id < 8 AND name <> '{SECRET}'",
           "UPDATE items SET name = 'x' WHERE id = 9", "SELECT id / 0 FROM items")
    spans = finish(trace)
    check_pairs(spans)
    sent = of_kind(spans, "CLIENT")
    assert [s["name"] for s in sent] == ["SELECT items", "UPDATE items", "SELECT items"]
    assert [s["attributes"].get("db.response.returned_rows") for s in sent][0] == 7
    assert [s["attributes"].get("db.response.status_code") for s in sent] == [None, None, "22012"]
    for span in spans:
        a = span["attributes"]
        assert a["db.system.name"] == "postgresql" and a["db.namespace"] == "postgres"
        assert (a["server.address"], a["server.port"]) == ("127.0.0.1", postgres.port)
    assert {s["resource"]["service.name"] for s in of_kind(spans, "SERVER")} == {"postgres"}
    check_known(trace, postgres.port)


def test_postgresql_older_connection(tracing, postgres, authority):
    with psycopg.connect(host="127.0.0.1", port=postgres.port, user="postgres", dbname="postgres",
                         sslmode="require", autocommit=True) as connection:
        connection.execute("SELECT 1")
        trace = tracing("--port", postgres.port)
        for number in range(5):
            connection.execute(f"SELECT name FROM items WHERE id = {number}")
        spans = finish(trace)
    assert [s["name"] for s in of_kind(spans, "CLIENT")] == ["SELECT items"] * 5
    assert [s["name"] for s in of_kind(spans, "SERVER")] == ["SELECT items"] * 5
    check_known(trace, postgres.port)


def test_postgresql_at_full_speed(tmp_path, postgres):
    script = tmp_path / "script.sql"
    script.write_text("SELECT name FROM items WHERE id = 5;\n")
    config = {"targets": {"ports": [postgres.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done, _ = postgres.pgbench("-f", script, "-t", 5000, clients=8)
        metrics = agent.settled_metrics()
        agent.stop()
    assert done == 40_000
    check_counted(metrics, 2 * done)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory, authority):
    directory = tmp_path_factory.mktemp("mariadb")
    pem = own(authority.pem, directory, "mysql")
    with MariaDb(directory, f"--ssl-cert={pem}", f"--ssl-key={pem}",
                 "--require-secure-transport=ON") as running:
        yield running


def by_program(mariadb, authority, *statements):
    for statement in statements:
        mariadb.client("--ssl", f"--ssl-ca={authority.ca}", "-e", statement, check=False)


def by_connection(connection, *statements):
    cursor = connection.cursor()
    for statement in statements:
        try:
            cursor.execute(statement)
            cursor.fetchall()
        except Exception as error:  # that of the one driver or the other
            assert "missing" in str(error) or "result" in str(error), error
    connection.close()


def by_pymysql(mariadb, authority, *statements):
    by_connection(mariadb.connect(ssl={"ca": authority.ca}), *statements)


def by_connector(mariadb, authority, *statements):
    by_connection(mariadb.connector(ssl_disabled=False, ssl_ca=authority.ca), *statements)


def by_c_connector(mariadb, authority, *statements):
    by_connection(mariadb.connector(ssl_disabled=False, ssl_ca=authority.ca, use_pure=False),
                  *statements)


@pytest.mark.parametrize("client", [by_program, by_pymysql, by_connector, by_c_connector])
def test_mariadb(tracing, mariadb, authority, client):
    trace = tracing("--port", mariadb.port)
    client(mariadb, authority, f"SELECT id FROM users WHERE id < 8 AND name <> '{SECRET}'",
           "DELETE FROM notes WHERE id = 9", "SELECT * FROM missing")
    spans = finish(trace)
    check_pairs(spans)
    names = ("SELECT users", "DELETE notes", "SELECT missing")
    sent = [s for s in of_kind(spans, "CLIENT") if s["name"] in names]
    assert [s["name"] for s in sent] == list(names), [s["name"] for s in spans]
    assert sent[2]["attributes"]["db.response.status_code"] == "1146"
    for span in sent:
        a = span["attributes"]
        assert a["db.system.name"] == "mariadb" and a["db.namespace"] == "shop"
        assert (a["server.address"], a["server.port"]) == ("127.0.0.1", mariadb.port)
    check_known(trace, mariadb.port)


def test_mariadb_at_full_speed(tmp_path, mariadb, authority):
    config = {"targets": {"ports": [mariadb.port]}, "export": {"discard": True}}
    before = mariadb.served()
    with Agent(tmp_path, config) as agent:
        mariadb.run("mariadb-slap", "--no-defaults", *mariadb.as_app(), "--ssl",
                    f"--ssl-ca={authority.ca}", "--concurrency=8", "--no-drop",
                    "--number-of-queries=20000", "--create-schema=shop", "--query=SELECT 1")
        metrics = agent.settled_metrics()
        agent.stop()
    truth = mariadb.served() - before
    assert truth >= 20_000
    check_counted(metrics, 2 * truth)


class Redis(servers.Redis):
    def __init__(self, tmp_path, authority):
        self.authority = authority
        super().__init__(tmp_path)

    def listen(self):
        return ["--port", "0", "--tls-port", str(self.fixed_port), "--tls-auth-clients", "no",
                "--tls-cert-file", self.authority.pem, "--tls-key-file", self.authority.pem,
                "--tls-ca-cert-file", self.authority.ca]

    def options(self):
        return ["-p", str(self.port), "--tls", "--cacert", self.authority.ca]


@pytest.fixture
def redis_server(tmp_path, start, authority):
    return start(Redis(tmp_path, authority))


def by_redis_cli(server, *commands):
    subprocess.run(["redis-cli", *server.options()], check=True, text=True,
                   input="".join(" ".join(command) + "\n" for command in commands),
                   stdout=subprocess.DEVNULL, env=environment())


def by_redis_py(server, *commands):
    with redis.Redis(port=server.port, ssl=True, ssl_ca_certs=server.authority.ca,
                     protocol=2, lib_name=None, lib_version=None) as client:
        for command in commands:
            try:
                client.execute_command(*command)
            except redis.ResponseError:
                pass


@pytest.mark.parametrize("client", [by_redis_cli, by_redis_py])
def test_redis(tracing, redis_server, client):
    trace = tracing("--port", redis_server.port)
    client(redis_server, ("SET", "key", SECRET), ("GET", "key"), ("LPUSH", "key", SECRET))
    spans = finish(trace)
    pairs = check_socket_parents([s for s in spans if s["name"] != "COMMAND"])  # redis-cli's own
    check_inside(pairs)
    texts = [[s["attributes"]["db.query.text"] for s in pair] for pair in pairs]
    assert texts == [[text] * 2 for text in ("SET key ?", "GET key", "LPUSH key ?")]
    for span in sum(pairs, ()):
        a = span["attributes"]
        assert a["db.system.name"] == "redis" and a["server.port"] == redis_server.port
        assert a.get("error.type") == ("WRONGTYPE" if span["name"] == "LPUSH" else None)
    check_known(trace, redis_server.port)


def test_redis_older_connection(tracing, redis_server):
    with redis.Redis(port=redis_server.port, ssl=True,
                     ssl_ca_certs=redis_server.authority.ca) as client:
        client.ping()
        trace = tracing("--port", redis_server.port)
        for number in range(5):
            client.set(f"key:{number}", SECRET)
        spans = finish(trace)
    for kind in ("CLIENT", "SERVER"):
        assert [s["attributes"]["db.query.text"] for s in of_kind(spans, kind)] == \
            [f"SET key:{number} ?" for number in range(5)]
    check_known(trace, redis_server.port)


def test_redis_big_values(tracing, redis_server):
    trace = tracing("--port", redis_server.port)
    big = b"x" * 5_000_000
    with redis.Redis(port=redis_server.port, ssl=True, lib_name=None, lib_version=None,
                     ssl_ca_certs=redis_server.authority.ca) as client:
        client.ping()
        client.set("big", big)
        assert client.get("big") == big
        client.ping()
    spans = finish(trace)
    pairs = check_socket_parents(spans)
    assert [sent["name"] for sent, _ in pairs][-3:] == ["SET", "GET", "PING"]


@pytest.mark.parametrize("depth, requests", [(1, 50_000), (32, 300_000)])
def test_redis_at_full_speed(tmp_path, redis_server, depth, requests):
    """spans + lost by cause = commands, by the server's own count."""
    config = {"targets": {"ports": [redis_server.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        redis_server.forget_commands()
        subprocess.run(["redis-benchmark", *redis_server.options(), "-q", "-t", "set,get",
                        "-n", str(requests // 2), "-P", str(depth), "-c", "8"], check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment())
        truth = redis_server.commands()
        metrics = agent.settled_metrics()
        agent.stop()
    assert truth >= requests
    check_counted(metrics, 2 * truth)

# SPDX-License-Identifier: Apache-2.0
"""MariaDB: every statement a client makes, at both ends, and never a literal of it."""
import subprocess
import threading

import pymysql
import pytest

from checks import of_kind
from databases import SECRET, check_pairs, finish
from mariadb import MariaDb
from traced import Agent, check_counted, environment


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory):
    with MariaDb(tmp_path_factory.mktemp("mariadb")) as running:
        yield running


def ask(cursor, statement, *args):
    cursor.execute(statement, *args)
    return cursor.fetchall()


def settle(trace, cursor):
    """In the first moments of a connection 64 KiB of each turn are looked at."""
    ask(cursor, "SELECT 1")
    trace.wait_spans(2)


def asked(spans, kind="CLIENT"):
    """Without what drivers ask when they connect."""
    return [s for s in of_kind(spans, kind) if s["name"] != "SET"]


def column(spans, key):
    return [s["attributes"].get(key) for s in asked(spans)]


def names(spans, kind="CLIENT"):
    return [s["name"] for s in asked(spans, kind)]


def test_statements(tracing, mariadb):
    trace = tracing("--port", mariadb.port)
    connection = mariadb.connect()
    cursor = connection.cursor()
    assert len(ask(cursor, "SELECT id, name FROM users")) == 1000
    ask(cursor, f"INSERT INTO notes VALUES (1, '{SECRET}'), (2, '{SECRET}')")
    with pytest.raises(pymysql.err.ProgrammingError):
        ask(cursor, f"SELECT * FROM nope WHERE a = '{SECRET}'")
    connection.ping(reconnect=False)
    connection.select_db("mysql")
    ask(cursor, "SELECT 1")
    ask(cursor, "USE shop")
    connection.commit()
    connection.close()
    spans = finish(trace)
    check_pairs(spans)
    assert names(spans) == ["SELECT users", "INSERT notes", "SELECT nope", "PING shop",
                            "INIT_DB mysql", "SELECT", "USE shop", "COMMIT"]
    assert column(spans, "db.namespace") == ["shop"] * 4 + ["mysql"] * 3 + ["shop"]
    assert set(column(spans, "db.system.name")) == {"mariadb"}
    insert, failed = asked(spans)[1:3]
    assert insert["attributes"]["db.query.text"].startswith("INSERT INTO notes VALUES (?")
    assert insert["attributes"]["server.port"] == mariadb.port
    assert failed["status"] == "ERROR"
    assert failed["attributes"]["db.response.status_code"] == "1146"
    assert failed["attributes"]["error.type"] == "1146"
    assert insert["status"] == "UNSET" and "error.type" not in insert["attributes"]


def test_the_c_client(tracing, mariadb):
    """It speaks MariaDB's dialect of the protocol."""
    trace = tracing("--port", mariadb.port)
    out = mariadb.client("-N", "-e", "SELECT COUNT(*) FROM users; SELECT '', NULL FROM users "
                         "LIMIT 500; UPDATE notes SET id = 3; SELECT * FROM nope", check=False)
    assert out.stdout.startswith("1000\n") and "1146" in out.stderr
    spans = finish(trace)
    check_pairs(spans)
    assert names(spans) == ["SELECT users", "SELECT users", "UPDATE notes", "SELECT nope"]
    assert column(spans, "error.type") == [None] * 3 + ["1146"]


@pytest.mark.alone
def test_unix_socket(tracing, mariadb):
    trace = tracing("-n", "mariadb")
    mariadb.client("-e", "SELECT * FROM users LIMIT 3", database=None, check=False)
    trace.stop()
    spans = [s for s in trace.spans if s["name"] == "SELECT users"]
    assert spans, trace.stdout
    assert spans[0]["attributes"]["error.type"] == "1046"  # no database is selected
    assert "db.namespace" not in spans[0]["attributes"]


@pytest.mark.parametrize("text", ["CALL two()", "SELECT 1; DELETE FROM notes; SELECT id FROM users"])
def test_many_results(tracing, mariadb, text):
    """A request with more than one result is one span, over when all are there."""
    with mariadb.connect() as connection:
        ask(connection.cursor(), "CREATE OR REPLACE PROCEDURE two() BEGIN SELECT id FROM users; "
            "SELECT SLEEP(0.1); END")
    trace = tracing("--port", mariadb.port)
    connection = mariadb.connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    cursor = connection.cursor()
    ask(cursor, text)
    while cursor.nextset():
        cursor.fetchall()
    connection.ping(reconnect=False)
    connection.close()
    spans = finish(trace)
    check_pairs(spans)
    summary = "CALL two" if text.startswith("CALL") else "SELECT; DELETE notes; SELECT users"
    assert names(spans) == [summary, "PING shop"]


def test_prepared(tracing, mariadb):
    """Their texts are known by the statement's number; those with parameters are told as they are."""
    trace = tracing("--port", mariadb.port)
    connection = mariadb.connector()
    cursor = connection.cursor(prepared=True)
    for number in range(5):
        assert len(ask(cursor, "SELECT name FROM users WHERE id > ?", (900 + number,))) == 100 - number
    cursor.execute("INSERT INTO notes VALUES (?, ?)", (7, SECRET))
    connection.commit()
    cursor.close()
    connection.close()
    spans = finish(trace)
    check_pairs(spans)
    select = [s for s in asked(spans) if s["name"] == "SELECT users"]
    assert len(select) == 5
    assert {s["attributes"]["db.query.text"] for s in select} == \
        {"SELECT name FROM users WHERE id > ?"}
    for name in ("PREPARE SELECT users", "PREPARE INSERT notes", "INSERT notes", "COMMIT"):
        assert names(spans).count(name) == 1, names(spans)


@pytest.mark.parametrize("where", ["first", "second"])
def test_local_infile(tracing, mariadb, tmp_path, where):
    """The client's file is part of the request; what comes after it is found again."""
    table = tmp_path / "table"
    table.write_text("".join(f"{i}\t{SECRET}{'x' * 50}\n" for i in range(40000)))
    before = "" if where == "first" else "DELETE FROM notes; "
    trace = tracing("--port", mariadb.port)
    connection = mariadb.connect(local_infile=True,
                                 client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    cursor = connection.cursor()
    settle(trace, cursor)
    for _ in range(2):
        ask(cursor, f"{before}LOAD DATA LOCAL INFILE '{table}' INTO TABLE notes")
        while cursor.nextset():
            pass
        ask(cursor, "SELECT 1")
    connection.close()
    spans = finish(trace)
    check_pairs(spans)
    load = "LOAD notes" if where == "first" else "DELETE notes; LOAD notes"
    assert names(spans) == ["SELECT", *[load, "SELECT"] * 2]


def test_long_packets(tracing, mariadb):
    """Statements and rows that are longer than a packet may be."""
    trace = tracing("--port", mariadb.port)
    connection = mariadb.connect(max_allowed_packet=64 * 1024 * 1024)
    cursor = connection.cursor()
    settle(trace, cursor)
    for letter in ("\0", "\xfe"):
        ask(cursor, "DELETE FROM notes")
        ask(cursor, "INSERT INTO notes VALUES (1, %s)", (letter * 18_000_000,))
        ((_, text),) = ask(cursor, "SELECT * FROM notes")
        assert text == letter * 18_000_000
    connection.close()
    spans = finish(trace)
    check_pairs(spans)
    assert names(spans) == ["SELECT", *["DELETE notes", "INSERT notes", "SELECT notes"] * 2]


def test_refused(tracing, mariadb):
    trace = tracing("--port", mariadb.port)
    with pytest.raises(pymysql.err.OperationalError):
        mariadb.connect(password="wrong")
    spans = finish(trace)
    assert len(spans) == 2
    check_pairs(spans)
    for span in spans:
        assert span["name"] == "CONNECT shop" and span["status"] == "ERROR"
        assert span["attributes"]["db.response.status_code"] == "1045"


def test_compressed(tracing, mariadb):
    """After the login nothing can be read; other connections can."""
    trace = tracing("--port", mariadb.port)
    mariadb.client("--compress", "-e", "SELECT 1; SELECT 2")
    with mariadb.connect() as connection:
        ask(connection.cursor(), "SELECT id FROM users")
    spans = finish(trace)
    assert names(spans) == ["SELECT users"]


def test_attached_in_the_middle(tracing, mariadb):
    connection, other = mariadb.connect(), mariadb.connector()
    prepared = other.cursor(prepared=True)
    ask(prepared, "SELECT name FROM users WHERE id > ?", (990,))
    cursor = connection.cursor()
    ask(cursor, "SELECT id FROM users")
    trace = tracing("--port", mariadb.port)
    for _ in range(10):
        ask(cursor, "SELECT id FROM users")
        ask(prepared, "SELECT name FROM users WHERE id > ?", (990,))
    ask(cursor, "DELETE FROM notes")
    connection.close()
    other.close()
    spans = finish(trace)
    check_pairs([s for s in spans if not s["name"].startswith("RESET")])
    assert names(spans).count("SELECT users") == 10
    assert sum(name.startswith("EXECUTE") for name in names(spans)) == 10
    assert "DELETE notes" in names(spans)


def check_account(tmp_path, mariadb, work):
    """Spans + lost by cause = SELECTs by the server's own count, at both ends. Returns the spans."""
    before = mariadb.served()
    with Agent(tmp_path, {"targets": {"ports": [mariadb.port]},
                          "export": {"discard": True}}) as agent:
        work()
        metrics = agent.settled_metrics()
        agent.stop()
    return check_counted(metrics, 2 * (mariadb.served() - before))


@pytest.mark.parametrize("statement, number", [
    ("SELECT 1", 20000), ("SELECT id, name FROM users", 2000)])
def test_full_speed(tmp_path, mariadb, statement, number):
    spans = check_account(tmp_path, mariadb, lambda: mariadb.run(
        "mariadb-slap", "--no-defaults", *mariadb.as_app(), "--concurrency=8", "--no-drop",
        f"--number-of-queries={number}", "--create-schema=shop", f"--query={statement}"))
    assert spans > number


def test_old_connections(tmp_path, mariadb, start):
    """Connections that are older than the tracer, at full speed."""
    clients = [start(subprocess.Popen([*mariadb.client_command(), "-N", "--unbuffered"], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      env=environment())) for _ in range(4)]
    for client in clients:
        client.stdin.write("SELECT 'connected';\n")
        client.stdin.flush()
        assert client.stdout.readline() == "connected\n"

    def ask_much(client):
        client.out, _ = client.communicate("SELECT name FROM users WHERE id < 4;\n" * 4000)

    def ask_all():
        threads = [threading.Thread(target=ask_much, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert check_account(tmp_path, mariadb, ask_all) > 16000
    assert all(client.out == "user1\nuser2\nuser3\n" * 4000 for client in clients)

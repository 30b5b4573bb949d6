# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: every statement a client makes, at both ends, and never a literal of it."""
import functools
import threading

import psycopg
import pytest

from checks import of_kind
from databases import SECRET, check_pairs, finish
from postgresql import Postgres
from traced import Agent, check_counted, wait_for


class Database(Postgres):
    def __enter__(self):
        super().__enter__()
        with self.connect(autocommit=True) as connection:
            connection.execute("CREATE TABLE items (id int PRIMARY KEY, name text)")
            connection.execute("INSERT INTO items SELECT i, 'item' || i "
                               "FROM generate_series(1, 100) i")
            connection.execute("CREATE TABLE copied (id int, name text)")
            connection.execute("CREATE USER guarded PASSWORD 'right'")
        return self

    def connect(self, host="127.0.0.1", **more):
        return psycopg.connect(host=str(host), port=self.port, user="postgres",
                               dbname="postgres", sslmode="disable", **more)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Database(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


def summaries(spans, kind="CLIENT"):
    return [s["attributes"].get("db.query.summary") for s in of_kind(spans, kind)]


def column(spans, key, kind="CLIENT"):
    return [s["attributes"].get(key) for s in of_kind(spans, kind)]


def test_simple(tracing, postgres):
    """psql: its statements are Query messages."""
    trace = tracing("--port", postgres.port)
    postgres.psql(f"SELECT * FROM items WHERE name = '{SECRET}' AND id IN (1, 2, 3)",
                  "BEGIN; UPDATE items SET name = 'x' WHERE id = 7; COMMIT",
                  f"SELECT * FROM {SECRET.lower()}_missing",
                  "VACUUM items")
    spans = finish(trace)
    check_pairs(spans)
    select, update, failed, vacuum = of_kind(spans, "CLIENT")
    attributes = select["attributes"]
    assert select["name"] == "SELECT items"
    assert attributes["db.query.text"] == "SELECT * FROM items WHERE name = ? AND id IN (?)"
    assert attributes["db.system.name"] == "postgresql"
    assert attributes["db.namespace"] == "postgres"
    assert attributes["db.response.returned_rows"] == 0
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", postgres.port)
    assert select["status"] == "UNSET"
    assert update["name"] == "BEGIN; UPDATE items; COMMIT"
    assert failed["status"] == "ERROR"
    assert failed["attributes"]["db.response.status_code"] == "42P01"
    assert failed["attributes"]["error.type"] == "42P01"
    assert vacuum["name"] == "VACUUM items"
    client, server = (of_kind(spans, kind)[0] for kind in ("CLIENT", "SERVER"))
    assert client["resource"]["service.name"] == "psql"
    assert server["resource"]["service.name"] == "postgres"


def test_one_resource_for_all_back_ends(tracing, postgres):
    """Back ends are forked for each connection: to the outside they are one service."""
    trace = tracing("--port", postgres.port)
    for _ in range(3):
        postgres.psql("SELECT 1")
    spans = of_kind(finish(trace), "SERVER")
    assert len(spans) == 3
    assert {s["resource"]["service.name"] for s in spans} == {"postgres"}


def test_unix_socket(tracing, postgres):
    trace = tracing("-p", postgres.process.pid)
    with postgres.connect(host=postgres.directory) as connection:
        connection.execute("SELECT name FROM items WHERE id = %s", (5,))
    spans = finish(trace)
    assert summaries(spans, "SERVER")[:2] == ["BEGIN", "SELECT items"]
    assert all(s["attributes"]["network.transport"] == "unix" for s in spans)


def test_parameters(tracing, postgres):
    """psycopg: with parameters it is the extended protocol; what is a parameter stays as it is."""
    trace = tracing("--port", postgres.port)
    with postgres.connect(autocommit=True) as connection:
        for i in range(10):  # from the sixth on, psycopg prepares it
            connection.execute("SELECT name FROM items WHERE id = %s AND name <> %s", (i, SECRET))
        connection.execute("DELETE FROM items WHERE name = 'none'", prepare=True)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO items VALUES (%s, %s)", (1, SECRET))
    spans = finish(trace)
    check_pairs(spans)
    assert column(spans, "db.query.text") == \
        ["SELECT name FROM items WHERE id = $1 AND name <> $2"] * 10 + \
        ["DELETE FROM items WHERE name = ?", "INSERT INTO items VALUES ($1, $2)"]
    assert column(spans, "db.response.returned_rows")[:3] == [0, 1, 1]
    assert column(spans, "db.response.status_code")[-1] == "23505"


def test_prepared_before(tracing, postgres):
    """What was prepared before there was a tracer is told by its answer."""
    with postgres.connect(autocommit=True) as connection:
        select = "SELECT name FROM items WHERE id = %s"
        for i in range(2):
            connection.execute(select, (i,), prepare=True)
        trace = tracing("--port", postgres.port)
        for i in range(5):
            connection.execute(select, (i,), prepare=True)
        connection.execute("SELECT count(*) FROM items", prepare=True)
        spans = finish(trace)
    names = [s["name"] for s in of_kind(spans, "CLIENT")]
    assert names == ["SELECT"] * 5 + ["SELECT items"]
    assert column(spans, "db.operation.name") == ["SELECT"] * 5 + [None]
    check_pairs(spans)


def test_pipeline(tracing, postgres):
    """After an error the rest of the pipeline has no answers, up to its Sync."""
    trace = tracing("--port", postgres.port)
    with postgres.connect(autocommit=True) as connection:
        with connection.pipeline() as pipeline:
            for i in range(100):
                connection.execute("SELECT name FROM items WHERE id = %s", (i,))
            pipeline.sync()
            # The error is told by whichever call is the next one when it comes in; all are sent.
            told = []
            calls = [functools.partial(connection.execute, "SELECT 1 / %s", (5 - i,))
                     for i in range(10)]
            for call in [*calls, pipeline.sync]:
                try:
                    call()
                except (psycopg.errors.DivisionByZero, psycopg.errors.PipelineAborted) as error:
                    told.append(error)
            assert isinstance(told[0], psycopg.errors.DivisionByZero)
            for i in range(3):
                connection.execute("SELECT id FROM items WHERE id = %s", (i,))
            pipeline.sync()
        connection.execute("SELECT 'after'")
    spans = finish(trace)
    assert len(of_kind(spans, "CLIENT")) == 114
    errors = column(spans, "error.type")
    assert errors == [None] * 105 + ["22012"] + ["pipeline_aborted"] * 4 + [None] * 4
    check_pairs(spans)


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_copy(tracing, postgres, prepare):
    parameters = (1,) if prepare else None  # with them, it is the extended protocol
    trace = tracing("--port", postgres.port)
    with postgres.connect(autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE copied")
            with cursor.copy("COPY copied FROM STDIN") as copy:
                for i in range(20000):
                    copy.write_row((i, SECRET * 10))
            select = "SELECT * FROM copied WHERE id < 1000000000"
            if prepare:
                select = select.replace("1000000000", "1000000000 / %s")
            with cursor.copy(f"COPY ({select}) TO STDOUT", parameters) as copy:
                assert sum(len(block) for block in copy) > 2_000_000
            with pytest.raises(psycopg.errors.BadCopyFileFormat):
                with cursor.copy("COPY copied FROM STDIN") as copy:
                    copy.write(b"1\t2\t3\n")
            cursor.execute("SELECT count(*) FROM copied", prepare=True)
            assert cursor.fetchone() == (20000,)
    spans = finish(trace)
    assert summaries(spans) == ["TRUNCATE copied", "COPY copied", "COPY SELECT copied", "COPY copied",
                                "SELECT copied"]
    assert column(spans, "error.type") == [None, None, None, "22P04", None]
    check_pairs(spans)


def test_big_result(tracing, postgres):
    """Rows are not looked at, and what is after them is found."""
    trace = tracing("--port", postgres.port)
    with postgres.connect(autocommit=True) as connection:
        for spans_cnt in (2, 4):  # known, agreed: until then only the beginning of a turn is seen
            connection.execute("SELECT 'word'")
            trace.wait_spans(spans_cnt)
        for i in range(5):
            rows = connection.execute("SELECT i, repeat('x', 1000) FROM "
                                      "generate_series(1, 10000) i").fetchall()
            assert len(rows) == 10000
            connection.execute("SELECT %s::int", (i,))
    spans = finish(trace)
    assert trace.account["record_bytes"] < 500_000  # of 50 MB; more when each receive takes little
    assert column(spans, "db.response.returned_rows") == [1, 1] + [10000, 1] * 5
    check_pairs(spans)


def cancel_when_asleep(postgres, connection):
    """Asks for that by the Unix socket, which is not traced."""
    with postgres.connect(host=postgres.directory, autocommit=True) as other:
        wait_for(lambda: other.execute("SELECT 1 FROM pg_stat_activity "
                                       "WHERE wait_event = 'PgSleep'").fetchone(), "the sleep")
    connection.cancel()


def test_cancel(tracing, postgres):
    trace = tracing("--port", postgres.port)
    with postgres.connect(autocommit=True) as connection:
        canceller = threading.Thread(target=cancel_when_asleep, args=(postgres, connection))
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20)")
        canceller.join()
        connection.execute("SELECT 1")
    spans = finish(trace)
    assert {(s["name"], s["attributes"].get("error.type", ""))
            for s in of_kind(spans, "CLIENT")} == \
        {("CANCEL", ""), ("SELECT", ""), ("SELECT", "57014")}


def test_refused(tracing, postgres):
    """Connecting is no operation, but a connection that is refused is told of."""
    trace = tracing("--port", postgres.port)
    for password, database in ((SECRET, "postgres"), ("right", "nowhere")):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=postgres.port, user="guarded",
                            password=password, dbname=database, sslmode="disable")
    spans = finish(trace)
    assert [(s["name"], s["status"], s["attributes"]["error.type"])
            for s in of_kind(spans, "CLIENT")] == \
        [("CONNECT postgres", "ERROR", "28P01"), ("CONNECT nowhere", "ERROR", "3D000")]


SCRIPT = {
    "simple": """
\\set id random(1, 100)
BEGIN;
UPDATE items SET name = 'x' WHERE id = :id;
SELECT name FROM items WHERE id = :id;
INSERT INTO copied VALUES (:id, 'y');
END;
""",
    "pipeline": """
\\set id random(1, 100)
\\startpipeline
SELECT name FROM items WHERE id = :id;
SELECT id FROM items WHERE id = :id;
SELECT count(*) FROM items WHERE id < :id;
SELECT 1;
SELECT :id;
\\endpipeline
""",
}


def run_script(postgres, tmp_path, script, mode, transactions, clients=4):
    """At full speed; returns the number of transactions."""
    path = tmp_path / "script.sql"
    path.write_text(script)
    done, _ = postgres.pgbench("-M", mode, "-f", path, "-t", transactions, clients=clients)
    assert done == clients * transactions
    return done


@pytest.mark.parametrize("mode, script, transactions", [
    ("simple", "simple", 1500), ("extended", "simple", 1500), ("prepared", "simple", 1500),
    ("extended", "pipeline", 3000), ("prepared", "pipeline", 3000),
])
def test_full_speed(tmp_path, postgres, mode, script, transactions):
    """Spans + lost by cause = statements, at both ends."""
    config = {"targets": {"ports": [postgres.port]}, "export": {"discard": True}}
    with Agent(tmp_path, config) as agent:
        done = run_script(postgres, tmp_path, SCRIPT[script], mode, transactions)
        metrics = agent.settled_metrics()
        agent.stop()
    check_counted(metrics, 2 * 5 * done)


@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_old_connections(tmp_path, tracing, postgres, mode):
    """Attached in the middle of a benchmark: from then on no statement is missing."""
    script = SCRIPT["simple"]
    runner = threading.Thread(target=run_script, args=(postgres, tmp_path, script, mode, 8000, 2))
    runner.start()
    with postgres.connect(autocommit=True) as other:
        wait_for(lambda: other.execute("SELECT count(*) FROM pg_stat_activity WHERE query <> '' AND "
                                       "application_name = 'pgbench'").fetchone() == (2,), "pgbench")
    trace = tracing("--port", postgres.port)
    runner.join()
    trace.stop()
    spans, account = trace.spans, trace.account
    for kind in ("CLIENT", "SERVER"):
        told = [s["attributes"].get("db.query.summary") or s["attributes"].get("db.operation.name")
                for s in of_kind(spans, kind)]
        updates, ends = (sum(t.split()[0] == word for t in told if t)
                         for word in ("UPDATE", "END" if mode == "simple" else "COMMIT"))
        assert updates > 100, told[:20]
        assert abs(updates - ends) <= 4 + account.lost + account.untold, (updates, ends, account)

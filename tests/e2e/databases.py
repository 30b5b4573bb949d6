# SPDX-License-Identifier: Apache-2.0
"""What must hold for the spans of statements, whatever the database."""
from checks import check_inside, check_socket_parents

SECRET = "sEcReT4711"


def finish(trace):
    """Stops the trace: nothing is lost, and of no literal a word was said."""
    trace.stop()
    assert trace.account.lost == 0, trace.account
    assert SECRET not in trace.stdout and SECRET not in trace.stderr
    return trace.spans


def check_pairs(spans):
    """Both ends tell the same of each statement, in one trace."""
    pairs = check_socket_parents(spans)
    check_inside(pairs)
    for client, server in pairs:
        assert client["name"] == server["name"]
        for key in ("db.system.name", "db.namespace", "db.query.text", "db.query.summary",
                    "db.operation.name", "db.response.status_code", "db.response.returned_rows",
                    "error.type"):
            assert client["attributes"].get(key) == server["attributes"].get(key), (client, server)

# SPDX-License-Identifier: Apache-2.0
"""For gunicorn: app is a WSGI application. Calls go through a requests.Session of the worker process;
calls at once through an executor that lives as long as they do."""
import concurrent.futures
import itertools
import os
import threading
import time

import requests
import requests.adapters

BACKEND = f"http://127.0.0.1:{os.environ['BACKEND']}"
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))


def call(path):
    return session.get(BACKEND + path, timeout=10).status_code


class Answer:
    """A body without bytes; closed when it was sent."""

    def __init__(self, after):
        self.after = after

    def __iter__(self):
        return iter([b""])

    def close(self):
        if self.after:
            call(self.after)


def app(environ, start_response):
    _, _, ident, count, how, wait, after = environ["PATH_INFO"].split("/")
    time.sleep(int(wait) / 1000)
    paths = [f"/leaf/{ident}/{k}" for k in range(int(count))]
    if how == "once":
        with concurrent.futures.ThreadPoolExecutor() as executor:
            statuses = list(executor.map(call, paths))
    else:
        statuses = [call(path) for path in paths]
    start_response("200 OK" if max(statuses) < 500 else "502 Bad Gateway",
                   [("Content-Length", "0")])
    return Answer(f"/after/{ident}" if after == "1" else None)


def background():
    for k in itertools.count():
        call(f"/background/{os.getpid()}-{k}")
        time.sleep(0.01)


threading.Thread(target=background, daemon=True).start()

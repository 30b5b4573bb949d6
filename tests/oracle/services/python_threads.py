# SPDX-License-Identifier: Apache-2.0
"""A thread for each connection: python_threads.py [shared | curl | fork]. Calls are made by a connection
that belongs to the thread, by one pool for all, or each by a curl; calls at once by threads of their
own. With fork, each connection has a process. With PEM, a certificate and its key, all is TLS."""
import http.client
import http.server
import itertools
import os
import socketserver
import ssl
import subprocess
import sys
import threading
import time

import requests
import requests.adapters

BACKEND, PEM = int(os.environ["BACKEND"]), os.environ.get("PEM")
BASE = f"{os.environ['SCHEME']}://127.0.0.1:{BACKEND}"
HOW = sys.argv[1] if len(sys.argv) > 1 else "own"
Connection = http.client.HTTPSConnection if PEM else http.client.HTTPConnection
own = threading.local()
session = requests.Session()
session.mount(BASE, requests.adapters.HTTPAdapter(pool_maxsize=64))


def call_alone(path):
    if not hasattr(own, "connection"):
        own.connection = Connection("127.0.0.1", BACKEND, timeout=10)
    own.connection.request("GET", path)
    response = own.connection.getresponse()
    response.read()
    return response.status


def call_shared(path):
    return session.get(BASE + path, timeout=10).status_code


def call_curl(path):
    return int(subprocess.run(["curl", "-s", "-o/dev/null", "-w%{http_code}", BASE + path],
                              stdout=subprocess.PIPE, check=True).stdout)


call = {"shared": call_shared, "curl": call_curl}.get(HOW, call_alone)


def call_at_once(paths):
    statuses = [0] * len(paths)

    def call_one(k):
        statuses[k] = call(paths[k])

    threads = [threading.Thread(target=call_one, args=[k]) for k in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


class Work(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        _, _, ident, count, how, wait, after = self.path.split("/")
        time.sleep(int(wait) / 1000)
        paths = [f"/leaf/{ident}/{k}" for k in range(int(count))]
        statuses = call_at_once(paths) if how == "once" else [call(path) for path in paths]
        self.send_response(200 if max(statuses) < 500 else 502)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if after == "1":
            call(f"/after/{ident}")

    def log_message(self, *args):
        pass


def background():
    for k in itertools.count():
        call(f"/background/{k}")
        time.sleep(0.01)


class Server(socketserver.ForkingMixIn if HOW == "fork" else socketserver.ThreadingMixIn,
             http.server.HTTPServer):
    daemon_threads, max_children, request_queue_size = True, 100, 128

    def finish_request(self, request, client_address):
        if PEM:
            request = context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ssl.SSLError):
            super().handle_error(request, client_address)


if PEM:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)

threading.Thread(target=background, daemon=True).start()
Server(("127.0.0.1", int(os.environ["PORT"])), Work).serve_forever()

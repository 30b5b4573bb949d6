#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: sometimes.py

Serves HTTP by a thread for each connection until its input ends; prints its port and its backend's, another process.
Any request asks the backend once and burns CPU time for 1 ms. With ?slow, /lock also waits for a lock for 60 ms,
/cpu burns 60 ms, /calls asks the backend 10 times more, which takes 6 ms each time.
"""
import http.client
import http.server
import os
import sys
import threading
import time

LONG = 0.060
CALLS = 10
held = threading.Lock()


def burn(seconds):
    """How long that took, in ns."""
    begin, end = time.monotonic_ns(), time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return time.monotonic_ns() - begin


def wait_for_lock():
    """Somebody else has it."""
    begun = threading.Event()

    def hold():
        with held:
            begun.set()
            time.sleep(LONG)
    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait()
    with held:
        pass
    holder.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, burned_ns=0):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("x-burned-ns", str(burned_ns))
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


class Backend(Handler):
    def do_GET(self):
        time.sleep(LONG / CALLS if self.path.endswith("?long") else 0.0005)
        self.answer()


class Front(Handler):
    def setup(self):
        super().setup()
        self.backend = http.client.HTTPConnection("127.0.0.1", backend.server_address[1])

    def ask(self, path):
        self.backend.request("GET", path)
        self.backend.getresponse().read()

    def do_GET(self):
        way, _, slow = self.path[1:].partition("?")
        self.ask("/item")
        burned_ns = burn(0.001)
        if not slow:
            pass
        elif way == "lock":
            wait_for_lock()
        elif way == "cpu":
            burned_ns += burn(LONG)
        elif way == "calls":
            for _ in range(CALLS):
                self.ask("/item?long")
        self.answer(burned_ns)


backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
backend.daemon_threads = True
child = os.fork()
if child == 0:
    backend.serve_forever()
front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
front.daemon_threads = True
threading.Thread(target=front.serve_forever, daemon=True).start()
print(front.server_address[1], backend.server_address[1], flush=True)
sys.stdin.read()
os.kill(child, 9)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: spender.py processes|one

Serves HTTP, by a process for each connection (threads would wait for each other's
interpreter) or one for all, until its input ends; prints its port. A request's
path says, after its number, what it is to spend its time with, one after the other: /7/cpu/30/sleep/20. The answer
says what it has spent, in ms, by its own clocks: {"cpu": 30.1, "sleep": 20.2}.
"""
import http.client
import http.server
import json
import socketserver
import sys
import threading
import time

BODY_SZ = 200
lock = threading.Lock()


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def wait_for_lock(seconds):
    held = threading.Event()

    def hold():
        with lock:
            held.set()
            time.sleep(seconds)
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with lock:
        pass
    holder.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def ask(self, seconds):
        back = http.client.HTTPConnection(*self.server.server_address)
        back.request("GET", f"/0/sleep/{seconds * 1000:g}")
        back.getresponse().read()
        back.close()

    def parse_request(self):
        """Comes when the first line was read."""
        self.began = time.thread_time()
        return super().parse_request()

    def do_GET(self):
        parts = self.path.split("/")[2:]
        ways = {"cpu": burn, "sleep": time.sleep, "lock": wait_for_lock, "downstream": self.ask}
        spent = {}
        for way, ms in zip(parts[::2], parts[1::2]):
            before = time.monotonic()
            ways[way](float(ms) / 1000)
            spent[way] = 1000 * (time.monotonic() - before)
        self.send_response(200)
        self.send_header("Content-Length", str(BODY_SZ))
        spent["cpu"] = 1000 * (time.thread_time() - self.began)
        self.end_headers()
        self.wfile.write(json.dumps(spent).encode().ljust(BODY_SZ))

    def log_message(self, *args):
        pass


class Forking(socketserver.ForkingMixIn, http.server.HTTPServer):
    max_children = 100


server = {"processes": Forking, "one": http.server.HTTPServer}[sys.argv[1]](("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()

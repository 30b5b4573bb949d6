# SPDX-License-Identifier: Apache-2.0
"""An HTTP service that knows nothing of traces, and its client.

hop_service.py serve ADDRESS PORT [NEXT_ADDRESS NEXT_PORT]
    answers each request with what it has received: its path and the SHA-256 of its body. With a next
    service it passes path and body on, and answers with that one's answer.
hop_service.py ask ADDRESS PORT THREADS REQUESTS KEEP_ALIVE
    waits for a line, then each thread sends so many requests with bodies of all lengths, or, if REQUESTS
    is 0, goes on until the next line. Prints how many, and fails if any answer is not what was sent.
"""
import hashlib
import http.client
import http.server
import random
import sys
import threading

SIZES = (0, 1, 700, 1390, 1448, 5000, 70000, 400000)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    next_hop = None
    connections = threading.local()

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.next_hop:
            answer = self.pass_on(body)
        else:
            answer = f"{self.path} {hashlib.sha256(body).hexdigest()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def pass_on(self, body):
        connection = getattr(self.connections, "next", None)
        if not connection:
            connection = self.connections.next = http.client.HTTPConnection(*self.next_hop)
        connection.request("POST", self.path, body)
        return connection.getresponse().read()

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


def serve(address, port, next_address=None, next_port=None):
    if next_address:
        Handler.next_hop = (next_address, int(next_port))
    server = Server((address, int(port)), Handler)
    print("ready", flush=True)
    server.serve_forever()


class Asker(threading.Thread):
    def __init__(self, number, address, port, requests, keep_alive):
        super().__init__(daemon=True)
        self.number, self.requests, self.keep_alive = number, requests, keep_alive
        self.connection = http.client.HTTPConnection(address, port, timeout=20)
        self.done = 0
        self.error = None
        self.stopping = False

    def ask(self, n):
        path = f"/r/{self.number}-{n}"
        body = random.Random(n).randbytes(SIZES[n % len(SIZES)])
        headers = {} if self.keep_alive else {"Connection": "close"}
        self.connection.request("POST", path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200 and text == f"{path} {hashlib.sha256(body).hexdigest()}", text
        if not self.keep_alive:
            self.connection.close()

    def run(self):
        try:
            while not self.stopping and (not self.requests or self.done < self.requests):
                self.ask(self.done)
                self.done += 1
        except Exception as error:  # told by the main thread
            self.error = error


def ask(address, port, threads, requests, keep_alive):
    askers = [Asker(n, address, int(port), int(requests), keep_alive == "1")
              for n in range(int(threads))]
    print("ready", flush=True)
    sys.stdin.readline()
    for asker in askers:
        asker.start()
    if int(requests) == 0:
        sys.stdin.readline()
    for asker in askers:
        asker.stopping = int(requests) == 0
        asker.join()
    print(sum(asker.done for asker in askers), flush=True)
    errors = [repr(asker.error) for asker in askers if asker.error]
    if errors:
        sys.exit("\n".join(errors))


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])

# SPDX-License-Identifier: Apache-2.0
"""Python's http.server with the paths that all test servers have. Prints "listening PORT".

usage: http_server.py [--host ADDRESS] [--unix PATH] [--backend URL] [--tls PEM]
/relay asks the backend for its /small and returns it. Below /mirror, a request header X-Mirror-NAME
comes back as the response header NAME.
"""
import argparse
import http.client
import http.server
import os
import socket
import ssl
import time
import urllib.parse

SMALL = b"x" * 612
BIG = b"0123456789abcdef" * (10 * 1024 * 1024 // 16)


class Paths(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    backend = None

    def setup(self):
        if self.request.family == socket.AF_UNIX:
            self.disable_nagle_algorithm = False
            self.client_address = ("unix", 0)
        super().setup()

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        known = {
            "/small": (200, SMALL), "/fail": (500, b"failed"), "/empty": (204,),
            "/unchanged": (304,), "/big": (200, BIG), "/slow": (200, b"slow"),
        }
        if path == "/slow":
            time.sleep(0.05)
        if path in known:
            self.answer(*known[path])
        elif path == "/chunked":
            self.chunked()
        elif path == "/until-close":
            self.until_close()
        elif path == "/die":
            os._exit(3)
        elif path == "/relay":
            backend = http.client.HTTPConnection(self.backend)
            backend.request("GET", "/small")
            self.answer(200, backend.getresponse().read())
            backend.close()
        elif path.startswith("/items/"):
            self.answer(200, path.encode())
        elif path.startswith("/mirror"):
            self.mirror()
        else:
            self.answer(404, b"no such path")

    do_HEAD = do_GET
    do_BREW = do_GET

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                length += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            self.rfile.read(length)
        if self.path.startswith("/mirror"):
            self.mirror()
        else:
            self.answer(200, str(length).encode())

    def mirror(self):
        self.send_response(200)
        for name, value in self.headers.items():
            if name.lower().startswith("x-mirror-"):
                self.send_header(name[len("x-mirror-"):], value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(5):
            self.wfile.write(b"64\r\n" + b"c" * 100 + b"\r\n")
            time.sleep(0.002)
        self.wfile.write(b"0\r\n\r\n")

    def until_close(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(3):
            self.wfile.write(b"u" * 1000)
            time.sleep(0.002)
        self.close_connection = True


class UnixServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0


class InetServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--unix")
    parser.add_argument("--backend")
    parser.add_argument("--tls")
    args = parser.parse_args()
    Paths.backend = args.backend
    if args.unix:
        server = UnixServer(args.unix, Paths)
    else:
        if ":" in args.host:
            InetServer.address_family = socket.AF_INET6
        server = InetServer((args.host, args.port), Paths)
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.tls)
        # each connection's own thread shakes hands
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    print("listening", server.server_port, flush=True)
    server.serve_forever()


main()

# SPDX-License-Identifier: Apache-2.0
"""An HTTP server whose SDK publishes its process's resource and its threads' spans (OTEPs 4719 and 4947). In each request's
span it burns CPU time in outer(), in a span below that in inner(), and then, in none, in without(). Answers
"TRACE OUTER INNER", the ids."""
import http.server
import time

from ddtrace.trace import tracer


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def outer():
    burn(0.05)


def inner():
    burn(0.05)


def without():
    burn(0.05)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        with tracer.trace("outer") as span:
            outer()
            with tracer.trace("inner") as below:
                inner()
        without()
        body = f"{span.trace_id:032x} {span.span_id:016x} {below.span_id:016x}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("listening", server.server_port, flush=True)
server.serve_forever()

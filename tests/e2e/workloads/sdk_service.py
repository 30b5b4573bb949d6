# SPDX-License-Identifier: Apache-2.0
"""A service that OpenTelemetry's SDK for Python traces, one request at a time. Prints "listening PORT".

usage: sdk_service.py BACKEND_URL COLLECTOR_URL
/relay asks the backend twice: for /small by a client that is instrumented, for /empty by one that is not.
/flush exports the spans so far.
"""
import http.client
import sys
import urllib.parse
import wsgiref.simple_server

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

backend, collector = sys.argv[1:]
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
trace.set_tracer_provider(provider)
RequestsInstrumentor().instrument()


class Silent(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


def relay():
    body = requests.get(f"{backend}/small", timeout=5).content
    bare = http.client.HTTPConnection(urllib.parse.urlsplit(backend).netloc, timeout=5)
    bare.request("GET", "/empty")
    bare.getresponse().read()
    bare.close()
    return body


def application(environ, start_response):
    if environ["PATH_INFO"] == "/flush":
        body = str(provider.force_flush()).encode()
    else:
        body = relay()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


with wsgiref.simple_server.make_server("127.0.0.1", 0, OpenTelemetryMiddleware(application),
                                       handler_class=Silent) as server:
    print("listening", server.server_port, flush=True)
    server.serve_forever()

# SPDX-License-Identifier: Apache-2.0
"""Servers and clients over TLS, with a certificate authority of their own."""
import contextlib
import mmap
import pathlib
import shutil
import subprocess
import sys

import clients
import servers
from checks import check_nothing_else, check_span, paired
from servers import WORKLOADS, go_program, rust_program, unique
from traced import Trace

STRIPPED = "-ldflags=-s -w"
NEW_KEY = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
           "-nodes", "-days", "2"]


class Authority:
    """.ca is its certificate; .pem a server's for 127.0.0.1 and localhost, and its key; .env makes
    programs trust it."""

    def __init__(self, directory):
        directory.mkdir()
        self.ca, self.pem, key = (str(directory / name) for name in ("ca.pem", "pem", "ca.key"))
        self.make("-subj", "/CN=tests", "-keyout", key, "-out", self.ca)
        self.make("-subj", "/CN=localhost", "-CA", self.ca, "-CAkey", key, "-extensions", "v3_req",
                  "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                  "-keyout", self.pem, "-out", self.pem + ".crt")
        with open(self.pem, "a") as both, open(self.pem + ".crt") as certificate:
            both.write(certificate.read())
        self.env = {"SSL_CERT_FILE": self.ca, "NODE_EXTRA_CA_CERTS": self.ca,
                    "GIT_SSL_CAINFO": self.ca}

    def make(self, *args):
        subprocess.run([*NEW_KEY, *args], check=True, stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def mapped(*paths):
    """These files are in use, so that their probes are in place before a short program begins."""
    with contextlib.ExitStack() as stack:
        for path in paths:
            with open(path, "rb") as file:
                stack.enter_context(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC))
        yield


def library(pattern):
    """The path of a library of Debian's."""
    (path,) = pathlib.Path("/usr/lib").glob(f"*-linux-gnu/{pattern}")
    return path


class TlsServer(servers.Server):
    scheme, program = "https", None

    def __init__(self, tmp_path, authority, *args):
        self.authority = authority
        super().__init__(tmp_path, *args)

    def make_command(self, tmp_path):
        return [*self.command, self.authority.pem]


class Python(TlsServer):
    command, service = [*servers.PythonServer.command, "--tls"], "http_server"


class Aiohttp(TlsServer):
    command = [sys.executable, str(WORKLOADS / "aiohttp_peer.py"), "server"]
    service = "aiohttp_peer"


class NodeHttps(TlsServer):
    command, service = [*servers.NodeServer.command, "https"], "http_server"


class NodeHttp2(TlsServer):
    command, service = [*servers.NodeServer.command, "http2"], "http_server"


class Go(TlsServer):
    service, flags = "server", ()

    def make_command(self, tmp_path):
        return [go_program("server", *self.flags), self.authority.pem]


class GoStripped(Go):
    flags = (STRIPPED,)


class Rustls(TlsServer):
    service = "hyper_server"

    def make_command(self, tmp_path):
        return [rust_program("hyper_server"), self.authority.pem]


class GrpcGo(TlsServer):
    service = "grpc"

    def make_command(self, tmp_path):
        return [go_program("grpc"), "server", self.authority.pem]


class GrpcPython(TlsServer):
    command, service = servers.GrpcPython.command, "grpc_peer"


class Nginx(servers.Nginx):
    """HTTP/1.1, and HTTP/2 for those who want it."""
    scheme = "https"

    def __init__(self, tmp_path, authority):
        # As many PRIORITY frames as streams may come, which browsers send with each piece of a body.
        self.listen_more = (f" ssl http2; ssl_certificate {authority.pem};"
                            f" ssl_certificate_key {authority.pem};"
                            " http2_max_concurrent_streams 4096")
        super().__init__(tmp_path)


class NginxPair(Nginx):
    workers = 2


class PortServer(servers.PortServer):
    """A library's own test server, in an empty directory."""
    scheme = "https"

    def __init__(self, tmp_path, authority):
        self.authority = authority
        super().__init__(tmp_path)


class OpensslServer(PortServer):
    """The files of its working directory, by HTTP/1.0."""
    service = "openssl"

    def make_command(self, tmp_path):
        directory = tmp_path / f"openssl-{next(unique)}"
        directory.mkdir()
        (directory / "small").write_text("x" * 612)
        return ["env", "-C", str(directory), "openssl", "s_server", "-quiet", "-WWW",
                "-accept", f"127.0.0.1:{self.fixed_port}", "-cert", self.authority.pem]


class GnutlsServer(PortServer):
    """A page about the connection, whatever is asked."""
    service = "gnutls-serv"

    def make_command(self, tmp_path):
        return ["gnutls-serv", "--http", "--quiet", f"--port={self.fixed_port}",
                f"--x509certfile={self.authority.pem}", f"--x509keyfile={self.authority.pem}"]


def planned(*command):
    """A client of workloads that makes what a plan says."""
    return lambda authority, base, plan: clients.run_plan(command, base, plan, authority.env)


def curl(*options):
    return lambda authority, base, plan: clients.curl_client(base, plan, "--cacert", authority.ca,
                                                             *options)


def go(*flags):
    return lambda authority, base, plan: clients.run_plan([go_program("client", *flags)], base,
                                                          plan, authority.env)


def short_programs():
    """Those among the clients that would have done much before they are known."""
    return [go_program("client"), go_program("client", STRIPPED), shutil.which("node"),
            library("libgnutls.so.30"), library("android/libssl.so.0")]


def check_streams(tmp_path, server):
    """Many streams of HTTP/2 at once, each a span with its parent."""
    with Trace(tmp_path, "--port", server.port) as trace:
        assert clients.h2load(server.url + "/small?a=1", 200, 2, 10) == 200
        trace.stop()
    pairs = paired(trace.spans)
    assert len(pairs) == 200, trace.stderr
    for sent, served in pairs:
        assert sent["traceId"] == served["traceId"]
        for span in (sent, served):
            check_span(span, "GET", "/small?a=1", 200, "https", ("2",))
    check_nothing_else(trace, server.port)


# Those of whom HTTP/2 is to be had.
HTTP2_SERVERS = {"nginx": Nginx, "node-http2": NodeHttp2, "go": Go, "go-stripped": GoStripped,
                 "rustls": Rustls}
HTTP2_CLIENTS = {"curl": curl("--rate", "25/s"), "go": go(), "go-stripped": go(STRIPPED)}
SERVERS = {**HTTP2_SERVERS, "python": Python, "aiohttp": Aiohttp, "node": NodeHttps}
CLIENTS = {
    **HTTP2_CLIENTS,
    "curl-http1.1": curl("--http1.1"),
    "requests": planned(sys.executable, str(WORKLOADS / "http_client.py")),
    "aiohttp": planned(sys.executable, str(WORKLOADS / "aiohttp_peer.py"), "client"),
    "node": planned("node", str(WORKLOADS / "http_client.js")),
}

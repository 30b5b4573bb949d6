# SPDX-License-Identifier: Apache-2.0
"""HTTP over TLS by the libraries' own programs, by those with GnuTLS and BoringSSL, and by git."""
import subprocess

import pytest

import servers
import tls
from checks import check_inside, check_nothing_else, check_socket_parents, check_span
from clients import step
from traced import Trace, environment

pytestmark = pytest.mark.usefixtures("programs_in_use")


def run(authority, *command, said=""):
    done = subprocess.run(list(map(str, command)), input=said, capture_output=True, text=True,
                          timeout=30, env=environment(**authority.env), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wget(authority, server, *paths):
    run(authority, "wget", "-q", "-O", "/dev/null", f"--ca-certificate={authority.ca}",
        *[server.url + path for path in paths])


def openssl_client(authority, server, *paths):
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        run(authority, "openssl", "s_client", "-quiet", "-verify_quiet", "-connect",
            f"127.0.0.1:{server.port}", "-CAfile", authority.ca, said=request)


def boringssl_client(authority, server, *paths):
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        run(authority, "bssl-tool", "client", "-connect", f"127.0.0.1:{server.port}",
            "-root-certs", authority.ca, said=request)


def curl_http11(authority, server, *paths):
    tls.CLIENTS["curl-http1.1"](authority, server.url, [step(path=path) for path in paths])


@pytest.mark.parametrize("server, client", [
    (tls.Nginx, wget), (tls.Python, wget), (tls.Go, wget),
    (tls.Nginx, openssl_client), (tls.OpensslServer, openssl_client), (tls.OpensslServer, curl_http11),
    (tls.GnutlsServer, curl_http11), (tls.GnutlsServer, wget),
    (tls.GnutlsServer, boringssl_client), (tls.Nginx, boringssl_client)])
def test_small_programs(tmp_path, start, authority, server, client):
    running = start(server(tmp_path, authority))
    with Trace(tmp_path, "--port", running.port) as trace:
        client(authority, running, "/small", "/small")
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == 2, (trace.stderr, trace.stdout)
    for sent, served in pairs:
        for span in (sent, served):
            check_span(span, "GET", "/small", 200, "https")
        assert served["resource"]["service.name"] == running.service
    check_inside(pairs)
    check_nothing_else(trace, running.port)


def test_git(tmp_path, start, authority):
    """git has libcurl with GnuTLS, and asks for HTTP/2. The server's own count is the truth."""
    running = start(tls.Nginx(tmp_path, authority))
    repository = running.html / "repository.git"
    run(authority, "git", "init", "--quiet", "--bare", repository)
    run(authority, "git", "-C", repository, "update-server-info")
    servers.open_up(repository / "info")
    with Trace(tmp_path, "--port", running.port) as trace:
        run(authority, "git", "ls-remote", running.url + "/repository.git")
        trace.stop()
    pairs = check_socket_parents(trace.spans)
    assert len(pairs) == running.requests() > 0, trace.stderr
    assert pairs[0][1]["attributes"]["url.path"] == "/repository.git/info/refs"
    for sent, served in pairs:
        for span in (sent, served):
            check_span(span, "GET", scheme="https", versions=("2",))
    check_inside(pairs)
    check_nothing_else(trace, running.port)

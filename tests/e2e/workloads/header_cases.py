# SPDX-License-Identifier: Apache-2.0
"""A client of HTTP/1.1 that sends in many ways, each on a connection of its own: header_cases.py ADDRESS PORT

Waits for a line, then prints one JSON object: by case, what the client saw of it. The server must answer every
head with ANSWER (/expect by CONTINUE first, /wait only when more comes, /reset by a reset), and the end of what
is sent by its own end.
"""
import array
import fcntl
import hashlib
import json
import pathlib
import select
import signal
import socket
import sys
import tempfile
import termios
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODY = bytes(n * 31 + (n >> 8) & 0xff for n in range(1 << 20))
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
RECVFROM = ("45", "207")  # x86-64, arm64
W3C = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CASES = {}
BEFORE = {"small_segments": (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 100)}


def case(run):
    CASES[run.__name__] = run
    return run


def head(name, method="GET", version="HTTP/1.1", *lines):
    return "\r\n".join([f"{method} /case/{name} {version}", "Host: app", *lines, "", ""]).encode()


def read(s, cnt):
    """So many bytes, or those up to the end."""
    got = b""
    while len(got) < cnt and (piece := s.recv(cnt - len(got))):
        got += piece
    return got


def finish(s):
    """Nothing more is sent: what comes then?"""
    s.shutdown(socket.SHUT_WR)
    return hashlib.sha256(read(s, 1 << 20)).hexdigest()


def plain(name, bytes_, *answers):
    """One send of all, on a socket that blocks."""
    def run(s):
        s.sendall(bytes_)
        return [read(s, len(a)) == a for a in answers] + [finish(s)]
    CASES[name] = run


for verb in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
    plain(verb.lower(), head(verb.lower(), verb), ANSWER)
plain("version_1_0", head("version_1_0", "GET", "HTTP/1.0"), ANSWER)
plain("version_0_9", b"GET /case/version_0_9\r\n")
plain("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ANSWER)
plain("bare_line_feeds", head("bare_line_feeds").replace(b"\r\n", b"\n"))
plain("pipelined", head("pipelined") + head("pipelined_2") + head("pipelined_3"), ANSWER)
plain("megabyte", head("megabyte", "POST", "HTTP/1.1", f"Content-Length: {len(BODY)}") + BODY, ANSWER)
plain("long_head", head("long_head", "GET", "HTTP/1.1", "Cookie: a=" + "b" * 7000), ANSWER)
plain("longest_head", head("longest_head", "GET", "HTTP/1.1", "Cookie: a=" + "b" * 30000), ANSWER)
plain("w3c", head("w3c", "GET", "HTTP/1.1", "Accept: */*", f"TraceParent: {W3C}"), ANSWER)
for header in ("b3", "X-B3-TraceId", "uber-trace-id", "x-datadog-trace-id", "X-Amzn-Trace-Id"):
    plain(header.lower(), head(header.lower(), "GET", "HTTP/1.1", f"{header}: 1"), ANSWER)
plain("not_http", b"\x16\x03\x01GET / HTTP/1.1\r\n\r\n", ANSWER)


@case
def nothing(s):
    return finish(s)


@case
def expect(s):
    s.sendall(head("expect", "POST", "HTTP/1.1", "Content-Length: 4", "Expect: 100-continue"))
    told = read(s, len(CONTINUE)) == CONTINUE
    s.sendall(b"body")
    return told, read(s, len(ANSWER)) == ANSWER, finish(s)


@case
def chunked(s):
    s.sendall(head("chunked", "POST", "HTTP/1.1", "Transfer-Encoding: chunked"))
    for piece in (b"3\r\nabc\r\n", b"400\r\n" + BODY[:1024] + b"\r\n", b"0\r\n\r\n"):
        s.sendall(piece)
    return finish(s)


@case
def byte_by_byte(s):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in head("byte_by_byte"):
        s.send(bytes([byte]))
    return finish(s)


@case
def split_head(s):
    whole = head("split_head")
    s.sendall(whole[:25])
    s.sendall(whole[25:])
    return finish(s)


@case
def pieces(s):
    lines = head("pieces", "GET", "HTTP/1.1", "Accept: */*").splitlines(keepends=True)
    sent = s.sendmsg(lines)
    return sent, finish(s)


@case
def more(s):
    s.send(head("more", "POST", "HTTP/1.1", "Content-Length: 4"), socket.MSG_MORE)
    s.send(b"body")
    return finish(s)


@case
def corked(s):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    s.sendall(head("corked", "POST", "HTTP/1.1", "Content-Length: 4"))
    s.sendall(b"body")
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    return read(s, len(ANSWER)) == ANSWER, finish(s)


@case
def kept_alive(s):
    seen = []
    for n in range(4):
        s.sendall(head(f"kept_alive{n or ''}"))
        seen.append(read(s, len(ANSWER)) == ANSWER)
    return seen, finish(s)


@case
def by_sendfile(s):
    s.sendall(head("by_sendfile", "POST", "HTTP/1.1", f"Content-Length: {len(BODY)}"))
    return send_file(s, BODY), finish(s)


@case
def all_by_sendfile(s):
    return send_file(s, head("all_by_sendfile")), finish(s)


def send_file(s, bytes_):
    with tempfile.TemporaryFile() as f:
        f.write(bytes_)
        f.seek(0)
        return s.sendfile(f)


@case
def narrow(s):
    """Where there is hardly room, and no send blocks."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    s.setblocking(False)
    left = head("narrow", "POST", "HTTP/1.1", "Content-Length: 300000") + BODY[:300000]
    while left:
        select.select([], [s], [])
        left = left[s.send(left):]
    s.setblocking(True)
    return finish(s)


@case
def small_segments(s):
    s.sendall(head("small_segments", "POST", "HTTP/1.1", "Content-Length: 3000") + BODY[:3000])
    return finish(s)


@case
def waiting(s):
    """How much can be read, before and while it is read."""
    s.sendall(head("waiting"))
    cnts = []
    for want in (len(ANSWER), 7, 0):
        while (cnt := unread(s)) < want:
            select.select([s], [], [])
        cnts.append(cnt)
        read(s, cnt - (7 if want > 7 else 0))
    return cnts, finish(s)


def unread(s):
    cnt = array.array("i", [0])
    fcntl.ioctl(s, termios.FIONREAD, cnt)
    return cnt[0]


@case
def wait(s):
    """A signal comes while a receive blocks; the answer comes after it."""
    def interrupt():
        call = pathlib.Path(f"/proc/self/task/{threading.main_thread().native_id}/syscall")
        while call.read_text().split()[0] not in RECVFROM:
            pass
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        s.send(b"x")

    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    s.sendall(head("wait"))
    thread = threading.Thread(target=interrupt)
    thread.start()
    answered = read(s, len(ANSWER)) == ANSWER
    thread.join()
    return answered, finish(s)


@case
def reset(s):
    s.sendall(head("reset"))
    try:
        return repr(s.recv(1))
    except OSError as error:
        return error.errno


@case
def zerocopy(s):
    s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    s.send(head("zerocopy", "POST", "HTTP/1.1", "Content-Length: 20000"), MSG_ZEROCOPY)
    s.send(BODY[:20000], MSG_ZEROCOPY)  # each send is told of once
    poll, last = select.poll(), -1
    poll.register(s, 0)
    while last < 1 and poll.poll(5000):
        for _, _, told in s.recvmsg(1, 512, socket.MSG_ERRQUEUE)[1]:
            last = int.from_bytes(told[12:16], sys.byteorder)
    return last, finish(s)


def main(address, port):
    print("ready", flush=True)
    sys.stdin.readline()
    seen = {}
    for name in ("get", *CASES):  # the first one only tells what is spoken there
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
            if name in BEFORE:
                s.setsockopt(*BEFORE[name])
            s.connect((address, port))
            seen[name] = CASES[name](s)
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

# SPDX-License-Identifier: Apache-2.0
"""libraries.py CERTIFICATE: much of libc, libcrypto, libssl and libgnutls in one process. Prints what came
out, which is always the same, and behind the word "calls" how often it called what TLS sites see, as JSON."""
import collections
import ctypes
import hashlib
import hmac
import json
import socket
import ssl
import sys
import threading
import time

MESSAGES = [bytes(str(i), "ascii") * (i + 1) for i in range(60)]
calls = {"OpenSSL": collections.Counter(), "GnuTLS": collections.Counter()}


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- OpenSSL: two ends in memory -------------------------------------------------------------------

def shake(ends):
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            calls["OpenSSL"]["handshake"] += 1
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass


def openssl(certificate):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    client_side = ssl.create_default_context(cafile=certificate)
    client = client_side.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    shake([client, server])
    received = []
    for message in MESSAGES:
        for sender, receiver in ((client, server), (server, client)):
            calls["OpenSSL"]["write"] += 1
            sender.write(message)
            got = b""
            while len(got) < len(message):
                calls["OpenSSL"]["read"] += 1
                got += receiver.read(100000)
            received.append(got)
    return digest(b"".join(received)), received == [m for m in MESSAGES for _ in range(2)]


# --- GnuTLS: two ends, two threads -----------------------------------------------------------------

gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_record_recv.restype = gnutls.gnutls_record_send.restype = ctypes.c_ssize_t
SERVER, CLIENT, ANONYMOUS = 1, 2, 2
PRIORITY = b"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH"


def check(code):
    assert code >= 0, ctypes.c_char_p(gnutls.gnutls_strerror(code)).value


def session_of(side, sock):
    session, credentials = ctypes.c_void_p(), ctypes.c_void_p()
    name = "server" if side == SERVER else "client"
    check(getattr(gnutls, f"gnutls_anon_allocate_{name}_credentials")(ctypes.byref(credentials)))
    check(gnutls.gnutls_init(ctypes.byref(session), side))
    check(gnutls.gnutls_priority_set_direct(session, PRIORITY, None))
    check(gnutls.gnutls_credentials_set(session, ANONYMOUS, credentials))
    gnutls.gnutls_transport_set_int2(session, sock.fileno(), sock.fileno())
    return session


def receive(session, length):
    buffer, got = ctypes.create_string_buffer(100000), b""
    while len(got) < length:
        calls["GnuTLS"]["read"] += 1
        n = gnutls.gnutls_record_recv(session, buffer, ctypes.c_size_t(len(buffer)))
        check(n)
        got += buffer.raw[:n]
    return got


def send(session, message):
    calls["GnuTLS"]["write"] += 1
    assert gnutls.gnutls_record_send(session, message, ctypes.c_size_t(len(message))) == len(message)


def echo(session):
    check(gnutls.gnutls_handshake(session))
    for message in MESSAGES:
        send(session, receive(session, len(message)))


def gnutls_exchange():
    near, far = socket.socketpair()
    server, client = session_of(SERVER, far), session_of(CLIENT, near)
    thread = threading.Thread(target=echo, args=(server,))
    thread.start()
    check(gnutls.gnutls_handshake(client))
    received = []
    for message in MESSAGES:
        send(client, message)
        received.append(receive(client, len(message)))
    thread.join()
    calls["GnuTLS"]["handshake"] += 2
    calls["GnuTLS"]["read"] += 2  # within the handshakes, of each end's ChangeCipherSpec
    for session in server, client:
        gnutls.gnutls_deinit(session)
    calls["GnuTLS"]["free"] += 2
    return digest(b"".join(received)), received == MESSAGES


# --- the rest --------------------------------------------------------------------------------------

def libcrypto():
    data = bytes(range(256)) * 500
    names = ["md5", "sha1", "sha224", "sha384", "sha512", "sha3_256", "blake2b", "blake2s"]
    yield from (hashlib.new(name, data).hexdigest() for name in names)
    yield hmac.new(b"key", data, "sha256").hexdigest()
    yield hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 3000).hex()
    yield hashlib.scrypt(b"password", salt=b"salt", n=1024, r=8, p=1).hex()


def libc():
    here = ctypes.CDLL(None)
    buffer = ctypes.create_string_buffer(200)
    for i in range(500):
        here.snprintf(buffer, ctypes.c_size_t(200), b"%08x %s %+d %o %ld", i, b"text", -i, i,
                      ctypes.c_long(i << 40))
        yield buffer.value.decode()
    numbers = (ctypes.c_int * 1000)(*(i * 7919 % 1000 for i in range(1000)))
    order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    here.qsort(numbers, ctypes.c_size_t(1000), ctypes.c_size_t(4), order(lambda a, b: a[0] - b[0]))
    yield list(numbers) == list(range(1000))
    yield here.strtol(b"-12345", None, 10), here.strcasecmp(b"Abc", b"aBC")
    yield time.strftime("%A %d %B %Y %H:%M:%S", time.gmtime(1e9))
    yield [time.mktime((2001, month, 9, 1, 46, 40, 0, 0, 0)) for month in range(1, 13)]
    yield json.dumps({str(i): [i / 7, "x" * i] for i in range(500)})
    yield socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4]


results = [openssl(sys.argv[1]), gnutls_exchange(), *libcrypto()]
print(json.dumps(results))
print(digest(repr(list(libc())).encode()))
print("calls", json.dumps(calls))
for line in open("/proc/self/maps", encoding="ascii"):
    words = line.split()
    if "x" in words[1] and len(words) > 5:
        print("maps", words[5], file=sys.stderr)

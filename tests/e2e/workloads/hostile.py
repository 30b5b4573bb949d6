# SPDX-License-Identifier: Apache-2.0
"""Both ends of connections that nobody would make: hostile.py CORPORA. Plays the seeds of the parsers'
fuzzing over real sockets: as they are; and with what follows their beginnings replaced by frames that
say to be 2 GiB long, and by random bytes. Prints its ports, waits for a line, and prints how many
connections it made, all as JSON."""
import concurrent.futures
import json
import pathlib
import queue
import random
import socket
import sys
import time

HUGE = [  # lengths of nearly 2 GiB, or what the format has room for
    b"\xff\xff\xff\x7f\x01\0\0\0\0\0\0\0\xdd\x07\0\0",  # MongoDB
    b"D\x7f\xff\xff\xff\0\1", b"Q\x7f\xff\xff\xffSELECT ",  # PostgreSQL
    b"\x7f\xff\xff\xff\0\0\0\7\0\0\0\1\0\4test",  # Kafka
    b"\1\0\1\x7f\xff\xff\xff\0\x3c\0\x28",  # AMQP
    b"\xff\xff\xff\0\3SELECT ", b"\xff\xff\xff\1\0",  # MySQL
    b"\xff\xff\xff\0\x01\0\0\0\3", b"\xff\xff\xff\x09\x04\0\0\0\3",  # HTTP/2
    b"\x30\xff\xff\xff\x7f\0\3a/b",  # MQTT
    b"PUB a 2147483647\r\n", b"MSG a 1 2147483647\r\n",  # NATS
    b"*2147483647\r\n$2147483647\r\n", b"$2147483647\r\n",  # Redis
    b"set a 0 0 2147483647\r\n", b"VALUE a 0 2147483647\r\n",  # memcached
    b"POST / HTTP/1.1\r\nContent-Length: 2147483647\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2147483647\r\n\r\n",
    b"\x82\x7f\0\0\0\0\x7f\xff\xff\xff",  # WebSocket
    b"\1\4\0\1\xff\xff\xff\0\xff\xff\xff\xff", b"\1\6\0\1\xff\xff\xff\0A: ",  # FastCGI
]


def runs_of(seed):
    """(from the client, bytes) for each run, as tests/fuzz/fuzz_protocols.c has them."""
    _, _, rest = seed.partition(b"\n")
    if not rest:  # a hello message of TLS
        yield True, seed
        return
    from_client, rest = not rest[0] & 1, rest[1:]
    while len(rest) > 2:
        size = int.from_bytes(rest[:2], "little")
        if run := rest[2:2 + size]:
            yield from_client, run
        from_client, rest = not from_client, rest[2 + size:]


def conversations(corpora):
    dice = random.Random(4)
    for path in sorted(pathlib.Path(corpora).glob("*/*")):
        runs = list(runs_of(path.read_bytes()))
        yield runs
        for cut in (2, 4):
            frames = [(bool(i % 2), dice.choice(HUGE) + dice.randbytes(dice.randrange(30000)))
                      for i in range(8)]
            yield runs[:cut] + frames
        for cut in (0, 3):
            yield runs[:cut] + [(bool(i % 2), dice.randbytes(dice.randrange(1, 5000)))
                                for i in range(20)]
    for header in HUGE:  # nothing but heads that have no end
        yield [(True, header[:-1] + dice.randbytes(3) * 20000)]


def play(listener, runs):
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    with client, server:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for from_client, run in runs:
            sender, receiver = (client, server) if from_client else (server, client)
            for at in range(0, len(run), 16384):
                piece = run[at:at + 16384]
                sender.sendall(piece)
                receiver.recv(len(piece), socket.MSG_WAITALL)


def main():
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(8)]
    free = queue.SimpleQueue()
    for listener in listeners:
        free.put(listener)
    print(json.dumps([listener.getsockname()[1] for listener in listeners]), flush=True)
    sys.stdin.readline()

    def one(runs):
        listener = free.get()
        play(listener, runs)
        free.put(listener)
        time.sleep(0.02)  # hostile, but not by its rate

    with concurrent.futures.ThreadPoolExecutor(len(listeners)) as pool:
        print(json.dumps(sum(1 for _ in pool.map(one, conversations(sys.argv[1])))))


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes seeds of fuzz_records for frame mode and for datagrams into tests/fuzz/corpus/records: the
conversations of tests/fuzz/corpus/protocols as the kernel would record them, whole at first, in
pieces from then on, also where records are lost or a walk breaks."""
import pathlib
import random
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
OP, CONNECTION, END, FRAMES, DATAGRAM = 3, 2, 5, 8, 9
SEND, WHOLE, BROKEN = 1, 0x10, 0x20
START, CUT = 1, 2
UNKNOWN = 2**64 - 1
RING_FULL = 0x8000  # fuzz_records' own flag of a datagram
MOST = 8000  # bytes of a seed

# header, (where, how long, byte order) of the length, what to add, where the type is, kept: {type: bytes}
SHAPES = {
    "amqp": (7, (3, 4, "big"), 8, 0, {1: 1024, 2: 1024, 3: 7}),
    "http2": (9, (0, 3, "big"), 9, 3, {0: 9, **dict.fromkeys((1, 3, 5, 7, 9), 4096)}),
    "kafka": (8, (0, 4, "big"), 4, 4, dict.fromkeys(range(256), 1024)),
    "mongodb": (16, (0, 4, "little"), 0, 12, dict.fromkeys(range(256), 512)),
    "mysql": (4, (0, 3, "little"), 4, 4, {0: 64, 254: 64, 255: 64,
                                          **dict.fromkeys(range(1, 32), 1028)}),
    "postgresql": (5, (1, 4, "big"), 1, 0, {**dict.fromkeys(b"BCEKRZS", 64), 81: 1029, 80: 1029}),
    "fastcgi": (8, (4, 2, "big"), 8, 1, {**dict.fromkeys((1, 2, 3, 5, 6), 2056), 4: 8200}),
}


def padded(record):
    return record + bytes(-len(record) % 8)


class Connection:
    """One end, as the kernel sees it."""

    def __init__(self, protocol, is_client, cookie=1):
        self.protocol, self.is_client, self.cookie = protocol, is_client, cookie
        self.time, self.turn, self.serials, self.sender = 10**9, 0, [0, 0], None
        self.off, self.next, self.generation = [0, 0], [0, 0], [0, 0]
        self.tail = (0, 0, 0)
        self.out = padded(struct.pack(
            "<IHHQQQQIHHHBB16s16s108s8x", 200, CONNECTION, 0, cookie, self.time, 0, 1, 7, 2,
            40000 if is_client else 5000, 5000 if is_client else 40000, 1 if is_client else 2, 1,
            b"\x7f\0\0\1", b"\x7f\0\0\1", b""))

    def record(self, kind, flags, length, payload):
        direction = flags & SEND
        self.out += padded(struct.pack(
            "<IHHQQQIIIIIIQQB7x", 80 + len(payload), kind, flags, self.cookie, self.time,
            self.off[direction], length, self.turn, 7, 70, 1000 + self.off[direction],
            5000 + self.off[1 - direction], *self.tail) + payload)
        self.tail = (0, 0, 0)

    def pieces(self, direction, data):
        """The heads of frames that matter, and where the next frame begins."""
        header, (at, size, order), add, type_at, kept = SHAPES[self.protocol]
        out, pos, first = b"", self.next[direction] - self.off[direction], True
        while 0 <= pos and pos + header <= len(data):
            total = int.from_bytes(data[pos + at:pos + at + size], order) + add
            if self.protocol == "fastcgi":
                total += data[pos + 6]  # padding
            if total < header or total > 2**28:
                return out, UNKNOWN
            kind = data[pos + type_at] if pos + type_at < len(data) else 0
            keep = min(kept.get(kind, 64 if first else 0), total, len(data) - pos)
            if keep:
                out += struct.pack("<IHH", pos, keep, START | (CUT if keep < total else 0))
                out += data[pos:pos + keep]
            first = False
            pos += total
        return out, self.off[direction] + pos

    def frames_end(self, direction, following):
        return struct.pack("<QIBxH", following, self.serials[direction],
                           self.generation[direction], self.serials[1 - direction])

    def operation(self, sender, data, mode):
        direction = SEND if (sender == "client") == self.is_client else 0
        self.time += 10**6
        new_turn = sender != self.sender
        self.turn, self.sender = self.turn + new_turn, sender
        if not self.generation[direction] or mode == "again":
            self.next[direction] = self.off[direction]
            self.generation[direction] += 1
        payload, following = self.pieces(direction, data)
        self.serials[direction] += mode != "turns"
        end = self.frames_end(direction, following)
        if mode == "turns":
            self.record(OP, direction, len(data), data[:4096])
        elif mode in ("whole", "again"):
            self.record(FRAMES, direction | WHOLE, len(data), data[:4096] + end)
        elif mode == "broken":
            self.record(FRAMES, direction | BROKEN, len(data),
                        payload + self.frames_end(direction, UNKNOWN))
            self.generation[direction] = 0
        elif mode == "pieces" and not payload and not new_turn:
            self.tail = (self.off[direction] + len(data), self.time, direction)
            self.serials[direction] -= 1
        elif mode == "pieces":
            self.record(FRAMES, direction, len(data), payload + end)
        # else it is lost
        self.off[direction] += len(data)
        if following != UNKNOWN:
            self.next[direction] = following

    def end(self):
        self.out += padded(struct.pack("<IHHQQQQQQHHB3x", 64, END, 0, self.cookie, self.time, 0, 0,
                                       self.off[0], self.off[1], 3, 0, 0))
        return self.out


def conversation(path):
    """[(sender, bytes)] of a seed of fuzz_protocols."""
    name, _, rest = path.read_bytes().partition(b"\n")
    sender, rest, turns = "server" if rest[0] & 1 else "client", rest[1:], []
    while len(rest) >= 2:
        size = int.from_bytes(rest[:2], "little")
        if size:
            turns.append((sender, rest[2:2 + size]))
        rest = rest[2 + size:]
        sender = "client" if sender == "server" else "server"
    return turns


def frames_seed(turns, protocol, is_client, plan, dice):
    c = Connection(protocol, is_client)
    for i, (sender, data) in enumerate(turns + 6 * turns[-2:]):
        if len(c.out) > MOST:
            break
        mode = plan[min(i, len(plan) - 1)]
        for part in (data[:len(data) // 2], data[len(data) // 2:]) if dice.random() < .3 else (data,):
            if part:
                c.operation(sender, part, dice.choice(mode) if isinstance(mode, list) else mode)
    return c.end()


def write_frames(dice):
    plans = {
        "whole": ["turns", "whole"],
        "pieces": ["turns", "turns", "whole", "whole", "pieces"],
        "at-once": ["whole", "pieces"],
        "broken": ["turns", "whole", "whole", "pieces", "broken", "again", "whole", ["pieces", "broken"]],
        "lost": ["turns", "whole", "whole", ["pieces", "pieces", "pieces", "lost"]],
    }
    for protocol in SHAPES:
        seeds = [path for path in sorted((CORPUS / "protocols" / protocol).iterdir())
                 if not path.name.startswith("bad") and len(conversation(path)) >= 2]
        for plan, modes in plans.items():
            path = dice.choice(seeds)
            data = frames_seed(conversation(path), protocol, dice.random() < .5, modes, dice)
            (CORPUS / "records" / f"frames-{protocol}-{plan}").write_bytes(data)


class Socket:
    def __init__(self, cookie, is_client):
        self.cookie, self.is_client, self.serial, self.time = cookie, is_client, 0, 10**9

    def datagram(self, data=b"", send=False, error=0, remote=None, flags=0):
        self.serial += 1
        self.time += 10**6
        ports = (40000, 53) if self.is_client else (53, 40000 if remote is None else remote)
        return padded(struct.pack(
            "<IHHQQIIIHHHH16s16sI", 80 + len(data), DATAGRAM, flags | (SEND if send else 0),
            self.cookie, self.time, len(data), 7, 70, 2, *ports, error, b"\x7f\0\0\1",
            b"\x7f\0\0\1", self.serial) + data)


def query(number, answer=False):
    return (struct.pack(">HHHHHH", number, 0x8180 if answer else 0x100, 1, int(answer), 0, 0) +
            b"\1a\4test\0\0\1\0\1" +
            (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7" if answer else b""))


def write_datagrams():
    def both_ends():
        client, server = Socket(1, True), Socket(2, False)
        return b"".join(client.datagram(query(i), True) + server.datagram(query(i), remote=0) +
                        server.datagram(query(i, True), True) + client.datagram(query(i, True))
                        for i in range(4))

    def missing(flags=0):
        client, out = Socket(1, True), b""
        for i in range(6):
            asked = client.datagram(query(i), True, flags=flags)
            answered = client.datagram(query(i, True))
            out += [asked + answered, asked, answered, b""][i % 4]
        client.time += 12 * 10**9
        return out + client.datagram(query(9), True)

    def failed():
        client = Socket(1, True)
        return client.datagram(query(1), True) + client.datagram(error=111) + \
            client.datagram(query(2), True) + client.datagram(query(2), True)

    def others():
        client = Socket(1, True)
        return b"".join(client.datagram(b"counter:1|c", True) for _ in range(5))

    def many_sockets():
        return b"".join(Socket(i, True).datagram(query(i), True) for i in range(1, 40))

    for name, data in {
        "both-ends": both_ends(), "missing": missing(), "ring-full": missing(RING_FULL),
        "failed": failed(), "others": others(), "many-sockets": many_sockets(),
    }.items():
        (CORPUS / "records" / f"datagrams-{name}").write_bytes(data)


write_frames(random.Random(4))
write_datagrams()

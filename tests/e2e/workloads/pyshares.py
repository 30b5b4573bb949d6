# SPDX-License-Identifier: Apache-2.0
"""Burns CPU time in Python functions of all kinds, and says how much each had.

pyshares.py SECONDS: warms up until a line comes, works, prints {function: nanoseconds}, and waits. Each lasts a given
share of the time of its thread, whatever its pieces cost."""
import json
import sys
import threading
import time
import zlib

SHARES = {"nested": 5, "method": 3, "consume": 4, "compress": 3, "callback": 4, "recurse": 3, "lines": 4}
CHUNK_NS = 20_000_000


def leaf(count):
    total = 0
    for i in range(count):
        total += i * i
    return total


def middle(count):
    return leaf(count)


def nested():
    return middle(5000)


class Burner:
    def method(self):
        return self.inner(5000)

    def inner(self, count):
        return sum([i ^ 3 for i in range(count)])


def produce(count):
    for i in range(count):
        yield i * i % 7


def consume():
    return sum(produce(5000))


def compress(text=b"abcdefghijklmnopqrstuvwxyz" * 4000):
    return zlib.compress(text, 9)


def callback():
    return sorted(range(3000), key=lambda x: -x)


def recurse(depth=12):
    return recurse(depth - 1) if depth else leaf(5000)


def lines():
    first = sum(range(90000))  # three quarters of it
    return first + sum(range(30000))


def work(spent, seconds, names):
    functions = dict(globals(), method=Burner().method)
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for name in names:
            start = time.thread_time_ns()
            while time.thread_time_ns() < start + SHARES[name] * CHUNK_NS // 10:
                functions[name]()
            spent[name] += time.thread_time_ns() - start


def in_thread(spent, seconds):
    work(spent, seconds, list(SHARES)[::2])


def main():
    seconds, threads = float(sys.argv[1]), []
    spent = dict.fromkeys(SHARES, 0)
    ready = threading.Thread(target=sys.stdin.readline)
    ready.start()
    print("ready", flush=True)
    while ready.is_alive():
        leaf(1000)
    for _ in range(2):
        own = dict.fromkeys(SHARES, 0)
        thread = threading.Thread(target=in_thread, args=(own, seconds / 4))
        thread.start()
        threads.append((thread, own))
    work(spent, seconds, SHARES)
    for thread, own in threads:
        thread.join()
        for name in own:
            spent[name] += own[name]
    print(json.dumps(spent), flush=True)
    sys.stdin.readline()  # what it has run stays readable


main()

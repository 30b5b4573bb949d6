# SPDX-License-Identifier: Apache-2.0
"""A client that does what it is told, a line for each: `load` the TLS library; `get` URL; `map` FILE as
code. Answers with a line: the status, or "done"."""
import mmap
import sys

context, opened = None, []
for line in sys.stdin:
    what, *args = line.split()
    answer = "done"
    if what == "load":
        import ssl  # only now
        import urllib.request
        context = ssl.create_default_context()
    elif what == "get":
        with urllib.request.urlopen(args[0], context=context) as response:
            response.read()
            answer = response.status
    elif what == "map":
        with open(args[0], "rb") as file:
            opened.append(mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE,
                                    mmap.PROT_READ | mmap.PROT_EXEC))
    print(answer, flush=True)

# SPDX-License-Identifier: Apache-2.0
"""aiohttp over TLS, whose bytes asyncio passes on in memory.

usage: aiohttp_peer.py server PEM | aiohttp_peer.py client BASE_URL PLAN
The server has the paths that all test servers have, and prints "listening PORT". PLAN is a JSON list of
{method, path, body, headers}; for each the client prints a JSON line: what it did and when."""
import asyncio
import json
import ssl
import sys
import time

from aiohttp import ClientSession, web

FIXED = {"/small": (200, b"x" * 612), "/fail": (500, b"failed"), "/empty": (204, None),
         "/big": (200, b"0123456789abcdef" * (10 * 1024 * 1024 // 16))}


async def answer(request):
    if request.path == "/echo":
        return web.Response(text=str(len(await request.read())))
    if request.path.startswith("/items/"):
        return web.Response(text=request.path)
    status, body = FIXED.get(request.path, (404, b"no such path"))
    return web.Response(status=status, body=body)


async def serve(pem):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print("listening", runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def ask(base, plan):
    async with ClientSession() as session:
        for step in plan:
            body = b"b" * step.get("body", 0)
            start = time.time_ns()
            async with session.request(step["method"], base + step["path"], data=body or None,
                                       headers=step.get("headers")) as response:
                received = await response.read()
            end = time.time_ns()
            print(json.dumps({
                "method": step["method"], "path": step["path"], "status": response.status,
                "start_ns": start, "end_ns": end, "request_bytes": len(body),
                "response_bytes": len(received), "times_fine": True}), flush=True)


asyncio.run(serve(sys.argv[2]) if sys.argv[1] == "server" else
            ask(sys.argv[2], json.loads(sys.argv[3])))

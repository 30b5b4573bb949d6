# SPDX-License-Identifier: Apache-2.0
"""aiohttp, server and client, in one event loop."""
import asyncio
import itertools
import os

import aiohttp
from aiohttp import web

BACKEND = f"http://127.0.0.1:{os.environ['BACKEND']}"
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def call(session, path):
    async with session.get(BACKEND + path) as response:
        await response.read()
        return response.status


async def call_later(session, seconds, path):
    await asyncio.sleep(seconds)
    await call(session, path)


async def work(request):
    _, _, ident, count, how, wait, after = request.path.split("/")
    session = request.app[SESSION]
    if int(wait):
        await asyncio.sleep(int(wait) / 1000)
    paths = [f"/leaf/{ident}/{k}" for k in range(int(count))]
    if how == "once":
        statuses = await asyncio.gather(*(call(session, path) for path in paths))
    else:
        statuses = [await call(session, path) for path in paths]
    if after == "1":
        task = asyncio.create_task(call_later(session, 0.003, f"/after/{ident}"))
        request.app[TASKS].add(task)
        task.add_done_callback(request.app[TASKS].discard)
    return web.Response(status=200 if max(statuses) < 500 else 502)


async def background(session):
    for k in itertools.count():
        await call_later(session, 0.01, f"/background/{k}")


TASKS = web.AppKey("tasks", set)


async def life(app):
    async with aiohttp.ClientSession() as app[SESSION]:
        app[TASKS] = {asyncio.create_task(background(app[SESSION]))}
        yield


app = web.Application()
app.cleanup_ctx.append(life)
app.router.add_get("/serve/{rest:.*}", work)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)

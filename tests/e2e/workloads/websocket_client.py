# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client. usage: websocket_client URL COMPRESSION PLAN; a step of the plan is a message and
how many answers to wait for, or the number of the code to close with, or seconds (with a point). It tells what was sent and
received, in messages and bytes, and the code of the end."""
import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def main():
    sent, received, code = [], [], 1000
    url, compression, plan = sys.argv[1], sys.argv[2] or None, json.loads(sys.argv[3])
    async with connect(url, compression=compression, max_size=None) as connection:
        try:
            for step in plan:
                if isinstance(step, int):
                    code = step
                    break
                if isinstance(step, float):
                    await asyncio.sleep(step)
                    continue
                message, answers = step
                await connection.send(message)
                sent.append(len(message))
                for _ in range(answers):
                    received.append(len(await connection.recv()))
            await connection.close(code)
        except ConnectionClosed:
            pass
        code = connection.close_code
    print(json.dumps({"sent": [len(sent), sum(sent)], "received": [len(received), sum(received)],
                      "code": code}))


asyncio.run(main())

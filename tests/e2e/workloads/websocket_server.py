# SPDX-License-Identifier: Apache-2.0
"""A WebSocket server. It sends back each message; "N of M" gets N messages of M bytes, "close C" is
closed with that code."""
import asyncio
import signal

from websockets.asyncio.server import serve


async def talk(connection):
    async for message in connection:
        words = message.split() if isinstance(message, str) else []
        if len(words) == 3 and words[1] == "of":
            for _ in range(int(words[0])):
                await connection.send(b"x" * int(words[2]))
        elif len(words) == 2 and words[0] == "close":
            await connection.close(int(words[1]))
        else:
            await connection.send(message)


async def main():
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with serve(talk, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await stop


asyncio.run(main())

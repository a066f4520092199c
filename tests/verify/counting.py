"""An issuer that counts, in a process of its own: how many questions it has at once, and how often each token was asked.

`counting.py LATENCY [TOGETHER TOTAL]`: prints its port. GET /me answers after LATENCY seconds. With TOGETHER it answers in
rounds: not before so many questions are there at once, or the last of TOTAL. GET /count says `most` at once, how many
`tokens`, how often a token was asked `at_most`, and the `rounds`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

LATENCY = float(sys.argv[1])
TOGETHER, TOTAL = map(int, sys.argv[2:4] or ("1", "0"))


class Count:
    def __init__(self) -> None:
        self.now = self.most = self.come = self.rounds = 0
        self.tokens: Counter[bytes] = Counter()
        self.waiting: list[asyncio.Event] = []

    async def turn(self) -> None:
        """Wait until the round is full."""
        self.come += 1
        mine = asyncio.Event()
        self.waiting.append(mine)
        if len(self.waiting) >= TOGETHER or self.come == TOTAL:
            self.rounds += 1
            for each in self.waiting:
                each.set()
            self.waiting.clear()
        await mine.wait()


async def serve(count: Count, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET /count "):
                told = {"most": count.most, "tokens": len(count.tokens), "at_most": max(count.tokens.values())}
                say(writer, json.dumps({**told, "rounds": count.rounds}).encode())
                continue
            count.tokens[head.partition(b"Authorization: Bearer ")[2].partition(b"\r")[0]] += 1
            count.now += 1
            count.most = max(count.most, count.now)
            await count.turn()
            await asyncio.sleep(LATENCY)
            count.now -= 1
            say(writer, b'{"login": "bob"}')
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def say(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


async def main() -> None:
    count = Count()
    server = await asyncio.start_server(lambda r, w: serve(count, r, w), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

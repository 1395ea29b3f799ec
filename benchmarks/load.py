"""`python -m benchmarks.load`: asks a server over many connections, each asking again as soon as it was answered.

A protocol over bare sockets on uvloop: at 40,000 requests/s it takes less than half a core, so it measures the server and not itself.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import cast

import uvloop

WARM_SECONDS = 0.5


@dataclass
class Answered:
    """Answers so far, and those whose status wasn't 200."""

    good: int = 0
    bad: int = 0


class Asker(asyncio.Protocol):
    """One connection: writes a request, waits for its answer, writes the next."""

    def __init__(self, requests: Sequence[bytes], start: int, answered: Answered) -> None:
        self._requests = cycle([*requests[start:], *requests[:start]])
        self._answered = answered
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        self._transport = cast("asyncio.Transport", transport)      # uvloop's has its methods, but not its ancestry
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Counts a whole answer and asks again."""
        held = self._held + data if self._held else data
        head = held.find(b"\r\n\r\n")
        if head < 0 or len(held) < head + 4 + _length(held, head):
            self._held = held
            return
        self._held = b""
        if held.startswith(b"HTTP/1.1 200"):
            self._answered.good += 1
        else:
            self._answered.bad += 1
        if self._transport is not None:
            self._transport.write(next(self._requests))


def _length(held: bytes, head: int) -> int:
    start = held.lower().find(b"content-length:", 0, head) + len(b"content-length:")
    return int(held[start : held.find(b"\r", start)])


async def ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> dict[str, float]:
    """Asks for so many seconds, after half a second that doesn't count.

    Returns:
        `per_second`: answers a second; `bad`: answers whose status wasn't 200; `own_cpu`: how much of a core the asking took.
    """
    answered = Answered()
    loop = asyncio.get_running_loop()
    open_ones = [
        await loop.create_connection(partial(Asker, requests, number * 17 % len(requests), answered), "127.0.0.1", port)
        for number in range(connections)
    ]
    await asyncio.sleep(WARM_SECONDS)
    before, begun, cpu = answered.good, time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - begun
    result = {"per_second": (answered.good - before) / took, "bad": float(answered.bad), "own_cpu": (time.process_time() - cpu) / took}
    for transport, _ in open_ones:
        transport.close()
    return result


def requests_of(path: str, bodies: Sequence[bytes]) -> list[bytes]:
    """HTTP requests that post these bodies."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    return [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]


def main(arguments: Sequence[str]) -> None:
    """`PORT PATH BODIES CONNECTIONS SECONDS`: bodies from a file, one a line; prints what `ask` returns."""
    port, path, bodies, connections, seconds = arguments
    lines = Path(bodies).read_bytes().splitlines()
    result = uvloop.run(ask(int(port), requests_of(path, list(islice(lines, 10_000))), int(connections), float(seconds)))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

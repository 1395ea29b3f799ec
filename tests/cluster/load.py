"""Requests at a steady rate, from a pod, until SIGTERM or SECONDS are over: `python load.py URL RATE SECONDS CLIENTS BODY`.

Every answer counts, none is asked for twice. The standard library alone, so that any image with Python can run it. Half of the clients keep
their connection open, half take a new one for each request; a rollout loses requests of the two in different ways. Prints a line once the
first answer came, and one with the counts; `order` says which versions answered one after the other.
"""

import json
import select
import signal
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PATH = "/api/v1.0/predictions"
SETTLED_SECONDS = 2.0
QUIET_SECONDS = 0.8         # a server that leaves closes no connection that is asked on more often; who stood still for longer looks


class Client(threading.Thread):
    """One client: asks at its own moments, whether or not answers are late."""

    def __init__(self, url: str, body: bytes, moments: list[float], keeps: bool, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.asked = 0
        self.answers: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.slowest = 0.0
        self.seen: list[tuple[float, str]] = []
        self._url, self._body, self._moments, self._keeps, self._over = urlsplit(url), body, moments, keeps, over
        self._connection = self._new()
        self._asked_at = time.monotonic()

    def run(self) -> None:
        """Asks until its moments are over, or it is told to end: then once more, of whoever answers at the end."""
        for moment in self._moments:
            last = self._over.wait(max(0.0, moment - time.monotonic()))
            self.asked += 1
            begun = time.monotonic()
            try:
                self._ask()
            except (OSError, HTTPException, ValueError) as error:
                self.lost[f"{'kept' if self._keeps else 'new'} connection: {type(error).__name__}: {error}"] += 1
                self._connection.close()
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if last:
                return

    def _ask(self) -> None:
        before, self._asked_at = self._asked_at, time.monotonic()
        if self._asked_at - before > QUIET_SECONDS and self._was_closed():
            self._connection.close()
        self._connection.request("POST", PATH, self._body, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}: {content[:200]!r}")
        version = str(json.loads(content)["meta"]["tags"]["version"])
        self.answers[version] += 1
        if not self.seen or self.seen[-1][1] != version:
            self.seen.append((time.monotonic(), version))
        if not self._keeps:
            self._connection.close()

    def _was_closed(self) -> bool:
        """Whether there is something to read before anything was asked: that its server has closed the connection."""
        sock = self._connection.sock
        return sock is not None and bool(select.select([sock], [], [], 0)[0])

    def _new(self) -> HTTPConnection:
        return HTTPConnection(self._url.hostname or "", self._url.port or 80, timeout=30)


def main(url: str, rate: float, seconds: float, clients: int, body: bytes) -> dict[str, object]:
    """Asks `rate` times a second until SIGTERM, or for so many seconds; how many answers each version gave, and what was lost."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    start = time.monotonic() + 0.5
    times = [start + number / rate for number in range(int(rate * seconds))]
    threads = [Client(url, body, times[number::clients], number % 2 == 0, over) for number in range(clients)]
    for thread in threads:
        thread.start()
    while not any(thread.answers or thread.lost for thread in threads):
        time.sleep(0.01)
    print(json.dumps({"begun": True}), flush=True)  # noqa: T201  the test waits for it
    for thread in threads:
        thread.join()
    answers: Counter[str] = sum((thread.answers for thread in threads), Counter())
    lost: Counter[str] = sum((thread.lost for thread in threads), Counter())
    return {
        "asked": sum(thread.asked for thread in threads), "answers": answers, "lost": lost, "order": _order(threads[0].seen),
        "slowest": max(thread.slowest for thread in threads), "seconds": time.monotonic() - start,
    }  # fmt: skip


def _order(seen: list[tuple[float, str]]) -> list[str]:
    """The versions in the order in which one client met them; while a rollout lasts, both answer in turn."""
    until = [when for when, _ in seen[1:]] + [float("inf")]
    settled = [version for (when, version), end in zip(seen, until, strict=False) if end - when > SETTLED_SECONDS]
    return [version for number, version in enumerate(settled) if number == 0 or settled[number - 1] != version]


if __name__ == "__main__":
    asked = sys.argv[1:]
    print(json.dumps(main(asked[0], float(asked[1]), float(asked[2]), int(asked[3]), asked[4].encode())), flush=True)  # noqa: T201

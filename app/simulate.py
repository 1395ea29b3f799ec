"""The world outside: things happen at a steady pace, are entered into its books, and the server is asked about each of them."""

import http.client
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from journey.clock import Clock
from journey.errors import JourneyError

PATH = "/api/v1.0/predictions"
TICK_SECONDS = 0.02
CONNECTIONS = 4                    # each waits for its answer; at 100 a second and a few ms an answer one would nearly do
TIMEOUT_SECONDS = 10.0

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Happening:
    """One thing that happens.

    Attributes:
        row: the raw row that the server is asked about.
        moment: event time, platform clock.
        outcome: what will come true.
        source: the generator's own object, for its books.
    """

    row: Mapping[str, Cell]
    moment: datetime
    outcome: bool
    source: object = None


class World(Protocol):
    """What a project's own generator gives."""

    def happen(self, moments: Sequence[datetime]) -> list[Happening]:
        """The next things, one at each moment."""

    def enter(self, happenings: Sequence[Happening], now: datetime) -> None:
        """Enters them into the books, with all that is due by `now`."""


@dataclass(frozen=True)
class Answer:
    """One question and what came back.

    Attributes:
        happening: what was asked about.
        asked: Unix time in seconds at which the question was due.
        seconds: how long the answer took.
        status: HTTP status; 0 where nothing came back.
        version: the version that answered; 0 where none did.
        outputs: the answer's numbers, such as a probability for each class.
        lookups: feature > value as the server looked it up.
        identity: the answer's id.
        error: what came instead of an answer.
    """

    happening: Happening
    asked: float
    seconds: float
    status: int
    version: int = 0
    outputs: tuple[float, ...] = ()
    lookups: Mapping[str, Cell] = field(default_factory=dict)
    identity: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether no prediction came back."""
        return self.status != http.client.OK or not self.outputs


class Traffic:
    """A world that goes on at a steady pace, and a server that from some moment on is asked about all that happens; answers are kept."""

    def __init__(self, world: World, clock: Clock, rate: float) -> None:
        self._world, self._clock, self._rate = world, clock, rate
        self._stop = threading.Event()
        self._queue: SimpleQueue[tuple[Happening, float] | None] = SimpleQueue()
        self._answers: list[Answer] = []
        self._pacer = threading.Thread(target=self._pace, name="pacer")
        self._askers: list[threading.Thread] = []
        self._broken: Exception | None = None

    def start(self) -> None:
        """Lets the world go on from the clock's origin; nobody is asked yet."""
        self._pacer.start()

    def ask(self, url: str) -> None:
        """From now on the server at the URL is asked about all that happens, over connections that are kept."""
        address = urlsplit(url).netloc
        self._askers = [threading.Thread(target=self._ask_on, args=(address,), name=f"asker-{number}") for number in range(CONNECTIONS)]
        for thread in self._askers:
            thread.start()

    def stop(self) -> None:
        """Asks no more, and waits for the answers under way; a second time does nothing."""
        self._stop.set()
        self._pacer.join()
        for _ in self._askers:
            self._queue.put(None)
        for thread in self._askers:
            thread.join()
        self._askers = []

    def answers(self) -> list[Answer]:
        """All answers so far, in the order in which they came.

        Raises:
            JourneyError: the world doesn't go on.
        """
        if self._broken is not None:
            found = f"{type(self._broken).__name__}: {self._broken}"
            raise JourneyError(f"the simulated world: expected it to go on, found {found}") from self._broken
        return list(self._answers)

    def _pace(self) -> None:
        try:
            self._go_on()
        except Exception as error:      # told where answers are asked for: a thread's own end is seen by nobody
            self._broken = error

    def _go_on(self) -> None:
        happened, first = 0, self._clock.unix
        while not self._stop.wait(TICK_SECONDS):
            due = int(max(0.0, time.time() - first) * self._rate)
            if due <= happened:
                continue
            times = [first + number / self._rate for number in range(happened, due)]
            happenings = self._world.happen([self._clock.at(unix) for unix in times])
            self._world.enter(happenings, happenings[-1].moment)
            for happening, unix in zip(happenings, times, strict=True) if self._askers else ():
                self._queue.put((happening, unix))
            happened = due

    def _ask_on(self, address: str) -> None:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
        while (item := self._queue.get()) is not None:
            self._answers.append(_ask(connection, *item))
        connection.close()


def _ask(connection: http.client.HTTPConnection, happening: Happening, due: float) -> Answer:
    body = orjson.dumps({"jsonData": {"rows": [dict(happening.row)]}, "meta": {"tags": {"explain": True}}})
    begun = time.perf_counter()
    try:
        connection.request("POST", PATH, body, {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(happening, due, time.perf_counter() - begun, 0, error=f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - begun
    if response.status != http.client.OK:
        return Answer(happening, due, seconds, response.status, error=content.decode(errors="replace")[:500])
    told = orjson.loads(content)
    tags = told["meta"]["tags"]
    return Answer(
        happening,
        due,
        seconds,
        response.status,
        version=int(tags["version"]),
        outputs=tuple(told["data"]["ndarray"][0]),
        lookups=tags["lookups"][0] if tags.get("lookups") else {},
        identity=tags["ids"][0] if tags.get("ids") else "",
    )

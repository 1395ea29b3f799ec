"""Looked-up features from Redis in the server: shown, switched in, together for many requests; a Redis that is away fails requests only."""

import asyncio
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from journey.errors import Unavailable
from journey.model.redis_lookups import TIMEOUT_SECONDS
from serving.together import Together
from tests.redis_server import running_redis
from tests.serving.tiny import fill_tiny_redis

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STANDING_CLOCK = f"{NOW.isoformat()}@{time.time()}x0.000001"
RECENTLY = NOW - timedelta(minutes=5)
LATE = ("Timeout", "expected an answer within")      # what a request is told that the store kept waiting


def asked(**row: object) -> dict:
    return {"jsonData": {"rows": [row]}, "meta": {"tags": {"explain": True}}}


def looked_up(server, body: dict) -> list:
    """What was looked up for the rows; asks again, as a client would, while a busy machine keeps Redis from answering in time."""
    until = time.monotonic() + 60
    answer = server.post(body)
    while was_late(answer) and time.monotonic() < until:
        answer = server.post(body)
    assert answer.status_code == 200, answer.text
    return answer.json()["meta"]["tags"]["lookups"]


def was_late(answer) -> bool:
    return answer.status_code == 503 and any(words in answer.json()["status"]["info"] for words in LATE)


@pytest.fixture
def looking(home, serve):
    """Starts a server whose model looks up `seen` by card in $REDIS_URL."""

    def start(url: str):
        home.promote(home.register("default"))
        return serve("--online", "${REDIS_URL}", JOURNEY_CLOCK=STANDING_CLOCK, REDIS_URL=url)

    return start


def test_values_come_from_redis_and_a_refresh_is_seen_at_once(redis_server, looking):
    server = looking(redis_server.url)
    assert looked_up(server, asked(amount=1, card="c1")) == [{}]
    with redis_server.client as client:
        for value in (2.0, 3.0):
            fill_tiny_redis(client, {"c1": value}, RECENTLY)
            assert looked_up(server, asked(amount=1, card=" c1 ")) == [{"seen": value}]
        fill_tiny_redis(client, {"c1": 4.0}, NOW - timedelta(hours=2))
        assert looked_up(server, asked(amount=1, card="c1")) == [{}]
    page = server.get("/metrics").text
    assert 'journey_lookup_misses_total{model="tiny",version="1",view="history"} 2' in page
    age = re.search(r'journey_lookup_age_seconds{model="tiny",version="1"} (\S+)', page)
    assert age is not None
    assert 7200 <= float(age[1]) < 7260
    assert redis_server.password not in server.text() + page


def test_many_requests_at_once_each_get_their_own_values(redis_server, looking):
    with redis_server.client as client:
        fill_tiny_redis(client, {f"c{n}": float(n) for n in range(50)}, RECENTLY)
    server = looking(redis_server.url)

    def ask(number: int) -> list:
        rows = [{"amount": 1, "card": f"c{n}"} for n in (number, 49 - number)][: 1 + number % 2]
        return looked_up(server, {"jsonData": {"rows": rows}, "meta": {"tags": {"explain": True}}})

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, [n % 50 for n in range(300)]))
    for index, found in enumerate(answers):
        number = index % 50
        assert found == [{"seen": float(n)} for n in (number, 49 - number)][: 1 + number % 2]


def test_while_redis_is_away_requests_fail_by_name_and_the_server_lives(looking):
    with running_redis() as first:
        server = looking(first.url)
        with first.client as client:
            fill_tiny_redis(client, {"c1": 2.0}, RECENTLY)
        assert looked_up(server, asked(amount=1, card="c1")) == [{"seen": 2.0}]
    refused = server.post(asked(amount=1, card="c1"))
    assert (refused.status_code, "expected Redis to answer" in refused.json()["status"]["info"]) == (503, True)
    assert first.password not in refused.text
    assert server.get("/health/status").status_code == 200
    with running_redis(first.port), first.client as client:
        fill_tiny_redis(client, {"c1": 5.0}, RECENTLY)
        assert looked_up(server, asked(amount=1, card="c1")) == [{"seen": 5.0}]


def test_a_redis_that_hangs_delays_no_probe_and_each_request_for_a_bounded_time(looking):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent, ThreadPoolExecutor(24) as threads:
        server = looking(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

        def ask(_: int) -> tuple[int, float]:
            begun = time.monotonic()
            return server.post(asked(amount=1, card="c1")).status_code, time.monotonic() - begun

        asking = threads.map(ask, range(24))
        pauses = sorted(seconds_of_a_ping(server) for _ in range(5))
        assert pauses[2] < TIMEOUT_SECONDS / 2          # who waited for the store would take all of it, each time
        statuses, seconds = zip(*asking, strict=True)
        assert set(statuses) == {503}
        assert max(seconds) < 15 < 24 * TIMEOUT_SECONDS          # the last one would take all of it, if each waited for the one before


def seconds_of_a_ping(server) -> float:
    begun = time.monotonic()
    assert server.get("/health/ping").status_code == 200
    return time.monotonic() - begun


class Slow:
    """A store that waits until it is told to go on."""

    def __init__(self) -> None:
        self.misses: dict[str, int] = {}
        self.age_seconds: float | None = None
        self.go, self.read_together = threading.Event(), []
        self.error: Exception | None = None

    def read(self, row, now):
        raise NotImplementedError

    def read_many(self, rows, now):
        assert self.go.wait(120)
        self.read_together.append([row["card"] for row in rows])
        if self.error is not None:
            raise self.error
        return [{"seen": row["card"]} for row in rows]

    def close(self) -> None:
        self.go.set()


@pytest.fixture
def patient(monkeypatch):
    """Nobody is refused because the machine made them late."""
    monkeypatch.setattr("serving.together.PATIENCE_SECONDS", 600.0)


@pytest.mark.usefixtures("patient")
def test_requests_that_come_while_one_is_under_way_share_the_next_round_trip():
    async def run() -> None:
        store = Slow()
        together = Together(store)
        first = together.find([{"card": 1}], NOW)
        await asyncio.sleep(0.01)
        others = [together.find([{"card": n}, {"card": -n}], NOW) for n in (2, 3, 4)]
        others[1].cancel()
        store.go.set()
        assert await first == [{"seen": 1}]
        assert [await others[0], await others[2]] == [[{"seen": n}, {"seen": -n}] for n in (2, 4)]
        assert store.read_together == [[1], [2, -2, 3, -3, 4, -4]]
        assert await together.find([{"card": 5}], NOW) == [{"seen": 5}]

    asyncio.run(run())


@pytest.mark.usefixtures("patient")
def test_what_fails_one_fails_all_that_wait_and_nobody_after_them():
    async def run() -> None:
        store = Slow()
        store.error = Unavailable("away")
        together = Together(store)
        waiting = [together.find([{"card": 1}], NOW)]
        await asyncio.sleep(0.01)
        waiting.append(together.find([{"card": 2}], NOW))
        store.go.set()
        for one in waiting:
            with pytest.raises(Unavailable, match="away"):
                await one
        assert store.read_together == [[1]]
        store.error = None
        assert await together.find([{"card": 3}], NOW) == [{"seen": 3}]

    asyncio.run(run())


def test_who_comes_while_the_store_hangs_is_refused_at_once(monkeypatch):
    async def run() -> None:
        store = Slow()
        together = Together(store)
        monkeypatch.setattr("serving.together.PATIENCE_SECONDS", 0.05)
        first = together.find([{"card": 1}], NOW)
        await asyncio.sleep(0.1)
        with pytest.raises(Unavailable, match="expected an answer within"):
            together.find([{"card": 2}], NOW)
        store.go.set()
        assert await first == [{"seen": 1}]
        assert await together.find([{"card": 3}], NOW) == [{"seen": 3}]

    asyncio.run(run())

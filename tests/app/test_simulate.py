"""Traffic against a real little server: paced, entered into the books first, every answer kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import pairwise

import orjson
import pytest

from app.simulate import Happening, Traffic
from journey.clock import Clock
from journey.errors import JourneyError
from tests.http_server import http_server

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Shop:
    """A world whose rows are numbers, and the server that is asked about them.

    Attributes:
        paced: how many things had happened, and at which Unix time.
    """

    entered: dict[int, datetime] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    unknown: list[int] = field(default_factory=list)
    made: int = 0
    paced: list[tuple[int, float]] = field(default_factory=list)

    def happen(self, moments: Sequence[datetime]) -> list[Happening]:
        self.made += len(moments)
        self.paced.append((self.made, time.time()))
        return [Happening({"number": self.made - len(moments) + place}, moment, place % 2 == 0) for place, moment in enumerate(moments)]

    def enter(self, happenings: Sequence[Happening], now: datetime) -> None:
        for happening in happenings:
            assert happening.moment <= now
            self.entered[int(str(happening.row["number"]))] = happening.moment

    def answer(self, body: bytes, caller: object) -> tuple[int, bytes]:
        asked = orjson.loads(body)
        assert asked["meta"]["tags"] == {"explain": True}
        number = asked["jsonData"]["rows"][0]["number"]
        self.asked.append(number)
        self.connections.add(caller)
        if number not in self.entered:
            self.unknown.append(number)
        if number % 10 == 9:
            return 400, b"the ninth is refused"
        tags = {"version": 3, "lookups": [{"n": number}], "ids": [f"id{number}"]}
        return 200, orjson.dumps({"meta": {"tags": tags}, "data": {"names": ["0", "1"], "ndarray": [[0.75, 0.25]]}})


@contextmanager
def served(shop: Shop) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, content = shop.answer(self.rfile.read(int(self.headers["content-length"])), self.client_address)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    with http_server(Handler) as url:
        yield url


def until(holds: Callable[[], bool]) -> None:
    """Waits for what the test asserts later, at most a minute."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


def test_traffic_is_paced_and_each_row_is_in_the_books_before_the_server_is_asked() -> None:
    shop, start = Shop(), time.time() + 0.2
    with served(shop) as url:
        traffic = Traffic(shop, Clock(NOON, start, 4320.0), rate=100.0)
        traffic.ask(url)
        traffic.start()
        until(lambda: shop.made >= 50)
        traffic.stop()
    answers = sorted(traffic.answers(), key=lambda answer: answer.asked)
    assert len(answers) == shop.made >= 50
    assert all(made <= 100 * (at - start) for made, at in shop.paced), "nothing happens before its time"
    assert shop.unknown == []
    assert len(shop.connections) <= 4
    assert answers[0].happening.moment == NOON
    steps = {later.happening.moment - earlier.happening.moment for earlier, later in pairwise(answers)}
    assert all(abs(step - timedelta(seconds=43.2)) < timedelta(milliseconds=5) for step in steps)


def test_each_answer_names_its_version_and_what_was_looked_up_and_a_refusal_is_kept_as_failed() -> None:
    shop, start = Shop(), time.time()
    with served(shop) as url:
        traffic = Traffic(shop, Clock(NOON, start, 1.0), rate=200.0)
        traffic.ask(url)
        traffic.start()
        until(lambda: len(traffic.answers()) >= 20)
        traffic.stop()
    by_number = {answer.happening.row["number"]: answer for answer in traffic.answers()}
    assert set(by_number) == set(range(len(by_number)))
    good, refused = by_number[4], by_number[9]
    assert (good.version, good.outputs, good.lookups, good.identity, good.failed) == (3, (0.75, 0.25), {"n": 4}, "id4", False)
    assert (refused.status, refused.error, refused.failed) == (400, "the ninth is refused", True)


def test_what_happens_before_the_first_question_is_in_the_books_and_asked_about_never() -> None:
    shop = Shop()
    with served(shop) as url:
        traffic = Traffic(shop, Clock(NOON, time.time() - 0.5, 1.0), rate=100.0)
        traffic.start()
        until(lambda: shop.made >= 50)
        silent = set(range(shop.made))
        until(lambda: shop.made > len(silent))          # what happens in one moment with the first question may be asked about
        traffic.ask(url)
        until(lambda: len(shop.asked) > 0)
        traffic.stop()
    assert len(silent) >= 50
    assert silent <= shop.entered.keys()
    assert not silent & set(shop.asked)
    assert len(shop.asked) == len(traffic.answers()) > 0


def test_a_server_that_is_away_fails_requests_and_ends_nothing() -> None:
    shop, start = Shop(), time.time()
    traffic = Traffic(shop, Clock(NOON, start, 1.0), rate=100.0)
    traffic.ask("http://127.0.0.1:9")
    traffic.start()
    until(lambda: len(traffic.answers()) > 5)
    traffic.stop()
    assert len(traffic.answers()) > 5
    assert all(answer.failed and answer.status == 0 and "refused" in answer.error for answer in traffic.answers())


def test_a_world_that_breaks_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    shop = Shop()
    monkeypatch.setattr(shop, "enter", broken)
    traffic = Traffic(shop, Clock(NOON, time.time() - 1, 1.0), rate=100.0)

    def told() -> bool:
        try:
            traffic.answers()
        except JourneyError:
            return True
        return False

    traffic.start()
    until(told)
    try:
        with pytest.raises(JourneyError, match=r"the simulated world: .*OSError: the disk is full"):
            traffic.answers()
    finally:
        traffic.stop()

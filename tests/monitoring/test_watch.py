"""The monitor as it runs: a real server to scrape, a real trigger to tell."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from journey.clock import Clock
from monitoring import watch as watching
from monitoring.alerts import Webhook, model_alert
from monitoring.rules import Rules, WindowRule
from monitoring.scrape import ModelVersion, Target
from monitoring.watch import Messenger, Watch, watch
from tests.http_server import http_server, proxied

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Town:
    """A server whose counts grow at each scrape, and a trigger that notes what it is told."""

    drifts: bool
    status: int = 202
    scrapes: int = 0
    told: list[Webhook] = field(default_factory=list)

    def metrics(self) -> str:
        self.scrapes += 1
        low, high = (1000, 9000) if self.drifts else (5000, 5000)
        own = 'model="m",version="1",feature="x"'
        return "\n".join(
            [
                'journey_model_info{model="m",version="1",bundle="b",role="champion"} 1',
                f'journey_feature_bin_total{{{own},bin="00"}} {low * self.scrapes}',
                f'journey_feature_bin_total{{{own},bin="01"}} {high * self.scrapes}',
                f'journey_feature_reference_probability{{{own},bin="00"}} 0.5',
                f'journey_feature_reference_probability{{{own},bin="01"}} 0.5',
                f"journey_feature_reference_rows{{{own}}} 20000",
                f'journey_feature_psi_limit{{{own},window="1d"}} 0.05',
                "process_start_time_seconds 1.5\n",
            ]
        )


@contextmanager
def town(place: Town) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, place.metrics().encode())

        def do_POST(self) -> None:
            place.told.append(Webhook.model_validate_json(self.rfile.read(int(self.headers["content-length"]))))
            self._answer(place.status, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http_server(Handler) as url:
        yield url


@contextmanager
def stopped(enough: Callable[[], bool]) -> Iterator[threading.Event]:
    """Is set once there is enough to see, or after two minutes."""
    stop, end = threading.Event(), time.monotonic() + 120

    def look() -> None:
        while not enough() and time.monotonic() < end and not stop.wait(0.01):
            pass
        stop.set()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield stop
    finally:
        stop.set()
        looking.join()


def watched(place: Town, out: Path, enough: Callable[[], bool]) -> None:
    """Watches until there is enough to see, on a clock on which a day is a tenth of a second."""
    with town(place) as url, stopped(enough) as stop:
        rules = Rules((WindowRule("1d"),), pace=timedelta(minutes=30), lasts=timedelta(minutes=30), keeps=timedelta(hours=1))
        what = Watch((f"{url}/metrics",), f"{url}/retrain", rules, Clock(NOON, time.time(), 864_000.0), out)
        watch(what, stop)


def test_drift_is_told_to_the_trigger_again_and_again_and_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LEAST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(watching, "LEAST_REPEAT_SECONDS", 0.1)
    place = Town(drifts=True)
    watched(place, tmp_path, lambda: len(place.told) >= 2)
    assert len(place.told) >= 2
    alert = place.told[0].alerts[0]
    assert {alert.labels["model"], alert.labels["version"], alert.labels["class"]} == {"m", "1", "drift"}
    assert {one.alerts[0].annotations["onset"] for one in place.told} == {alert.annotations["onset"]}
    (newest,) = json.loads((tmp_path / "monitor.json").read_text())
    assert newest["ringing"]
    assert newest["drifted"] == ["x"]
    lines = [json.loads(line) for line in (tmp_path / "monitor.jsonl").read_text().splitlines()]
    rung = [line["ringing"] for line in lines]
    assert rung == sorted(rung)
    assert not rung[0]


def test_nothing_is_told_where_nothing_drifts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LEAST_PAUSE_SECONDS", 0.02)
    place = Town(drifts=False)
    watched(place, tmp_path, lambda: place.scrapes > 20)
    assert place.scrapes > 20
    assert place.told == []


def test_an_alert_that_was_not_taken_is_sent_again_at_the_next_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SEND_TIMEOUT_SECONDS", 120.0)
    place = Town(drifts=True, status=503)
    alert = model_alert("m", "1", NOON, NOON, "drift")
    with town(place) as url:
        messenger = Messenger(url, Clock(NOON, time.time(), 1.0))
        messenger.send([alert])
        messenger.send([alert])
        place.status = 202
        messenger.send([alert])
        messenger.send([alert])
    assert len(place.told) == 3


def asked_and_told(server: str) -> None:
    target, messenger = Target(f"{server}/metrics", timeout_seconds=60.0), Messenger(f"{server}/retrain", Clock(NOON, time.time(), 1.0))
    assert target.scrape().champions == {ModelVersion("m", "1")}
    messenger.send([model_alert("m", "1", NOON, NOON, "drift")])
    target.close()


def test_no_proxy_of_the_environment_is_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    proxied(monkeypatch, "http://127.0.0.1:9")
    place = Town(drifts=True)
    with town(place) as url:
        asked_and_told(url)
    assert len(place.told) == 1


def test_a_proxy_of_the_environment_leads_to_what_is_far(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Town(drifts=True)
    with town(proxy) as url:
        proxied(monkeypatch, url)
        asked_and_told("http://192.0.2.1:8080")
    assert len(proxy.told) == 1


def test_a_server_that_does_not_answer_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LEAST_PAUSE_SECONDS", 0.02)
    rules = Rules((WindowRule("1d"),))
    newest = tmp_path / "monitor.json"
    with stopped(newest.exists) as stop:
        watch(Watch(("http://127.0.0.1:9/metrics",), "", rules, Clock(NOON, time.time(), 864_000.0), tmp_path), stop)
    assert json.loads(newest.read_text()) == []

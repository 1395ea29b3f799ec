"""The retrain service: stored before it is answered, never run twice, and alive again after a kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from components.operations.retrain import Asked, Decision
from journey.clock import Clock
from journey.errors import RequestError, Unavailable
from journey.records.entries import PromotionRequest, Registration
from journey.records.ledger import Ledger
from monitoring.alerts import model_alert, webhook
from pipelines.alert_service import PATH, listening
from pipelines.alerts import take
from tests.ports import free_port

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONSET = NOON - timedelta(hours=2)
BODY = webhook([model_alert("payments", "1", ONSET, NOON, "amount has drifted")])
PROCESS = Path(__file__).with_name("trigger_process.py")
ROOT = Path(__file__).resolve().parents[2]


class Home:
    """A home whose model has a champion, and the trigger's process in it."""

    def __init__(self, folder: Path, training_seconds: float) -> None:
        self.folder, self.training_seconds = folder, training_seconds
        self.ledger = Ledger.connect(f"sqlite:///{folder}/ledger.db")
        version = self.ledger.register_version(Registration("payments", "first", "uri", "r1", (None, None), NOON, "test"))
        self.ledger.promote(PromotionRequest("payments", version, 0, "test", "first", NOON))
        self.port = free_port()
        # a clock that stands nearly still: both sides of the kill are in one cool-down epoch
        self._environment = os.environ | {"JOURNEY_CLOCK": Clock(NOON, time.time(), 0.001).text(), "PYTHONPATH": str(ROOT)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(PROCESS), str(self.folder), str(self.port), str(self.training_seconds)]
        self.process = subprocess.Popen(command, env=self._environment)
        until(self._is_up, "the trigger answers")

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=60, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def post(self, body: bytes = BODY, path: str = PATH) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{self.port}{path}", content=body, timeout=60, trust_env=False)

    def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.process = None
        return code

    def trained(self) -> list[str]:
        path = self.folder / "trained"
        return path.read_text().splitlines() if path.exists() else []

    def states(self) -> list[str]:
        return [one.state for one in self.ledger.retrainings("payments")]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path, training_seconds=0.5)
    yield made
    if made.process is not None:
        made.end(signal.SIGKILL)
    made.ledger.close()


def until(condition: object, what: str, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"expected that {what} within {seconds} s"
        time.sleep(0.02)


def test_a_request_sent_ten_times_with_a_kill_between_gives_one_run(home: Home) -> None:
    home.training_seconds = 60.0            # the kill comes first, however busy the machine is
    home.start()
    first = [home.post() for _ in range(5)]
    home.end(signal.SIGKILL)
    assert home.states() in (["received"], ["waiting"], ["running"])
    assert home.trained() == []
    home.training_seconds = 0.5
    home.start()
    second = [home.post() for _ in range(5)]
    assert {answer.status_code for answer in first + second} == {202}
    assert [request["stored"] for answer in first + second for request in answer.json()["requests"]] == [True] + [False] * 9
    until(lambda: home.states() == ["promoted"], "the retraining is promoted")
    assert home.end(signal.SIGTERM) == 0
    request = home.ledger.retrainings("payments")[0]
    assert home.trained() == [request.run]
    assert request.onset == ONSET
    current = home.ledger.current("payments")
    assert current is not None
    assert current.version == 2


def test_what_was_stored_is_in_the_ledger_before_the_answer(home: Home) -> None:
    home.start()
    answer = home.post()
    key = answer.json()["requests"][0]["key"]
    home.end(signal.SIGKILL)
    assert [one.key for one in home.ledger.retrainings("payments")] == [key]


def test_an_alert_about_a_version_that_is_no_champion_is_declined_with_why(home: Home) -> None:
    home.start()
    answer = home.post(webhook([model_alert("payments", "7", ONSET, NOON, "")]))
    assert answer.status_code == 202
    assert answer.json()["requests"][0]["reason"] == "version 7 is not the champion, version 1 is"
    assert home.states() == []


def test_what_is_no_webhook_or_no_model_of_ours_is_refused_by_name(home: Home) -> None:
    home.start()
    broken = home.post(b'{"status": "firing"}')
    assert (broken.status_code, broken.json()["error"]) == (
        400, "column 'alerts': expected Alertmanager's webhook JSON, found Field required",
    )  # fmt: skip
    other = home.post(webhook([model_alert("taxis", "1", ONSET, NOON, "")]))
    assert other.status_code == 400
    assert "'payments', the model of this trigger, found 'taxis'" in other.json()["error"]
    assert home.post(path="/elsewhere").status_code == 404
    assert home.states() == []


@pytest.mark.parametrize(("length", "status"), [("", b"411"), ("-1", b"413"), ("many", b"413"), ("9" * 5000, b"413")])
def test_a_request_that_does_not_say_how_long_it_is_is_refused_and_keeps_nobody_waiting(home: Home, length: str, status: bytes) -> None:
    home.start()
    with socket.create_connection(("127.0.0.1", home.port), timeout=60) as raw:
        said = f"content-length: {length}\r\n" if length else ""
        raw.sendall(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{said}\r\n".encode())
        answer = raw.makefile("rb").read()
    assert answer.split()[1] == status
    assert b"content-length of at most" in answer


def test_a_taken_port_is_said_to_be_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match=f":{taken.getsockname()[1]}: expected a free"):
        listening("127.0.0.1", taken.getsockname()[1])


def test_a_start_before_all_time_is_no_reason_to_fail() -> None:
    alert = model_alert("m", "1", ONSET, datetime(1, 1, 1, tzinfo=UTC), "").model_copy(update={"annotations": {}})
    assert [one["key"] for one in take(webhook([alert]), accepted)] == ["m/1/drift/1969-12-31 23:30:00+00:00"]


def accepted(asked: Asked) -> Decision:
    return Decision(f"{asked.model}/{asked.version}/{asked.trigger}/{asked.onset}", True, "")


def test_an_alert_of_plain_prometheus_gives_its_start_less_how_long_evidence_must_last() -> None:
    body = b"""{"status": "firing", "receiver": "x", "truncatedAlerts": 0, "alerts": [{"status": "firing", "generatorURL": "http://p",
        "labels": {"model": "m", "version": "3", "action": "retrain"},
        "startsAt": "2026-03-01T12:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z"},
        {"status": "resolved", "labels": {"model": "m", "version": "2", "action": "retrain"}, "startsAt": "2026-03-01T12:00:00Z"},
        {"status": "firing", "labels": {"model": "m", "version": "4", "action": "page"}, "startsAt": "2026-03-01T12:00:00Z"},
        {"status": "firing", "labels": {"model": "m", "version": "5", "window": "1h"}, "startsAt": "2026-03-01T12:00:00Z"}]}"""
    assert [one["key"] for one in take(body, accepted)] == ["m/3/drift/2026-03-01 11:30:00.123000+00:00"]


@pytest.mark.parametrize(
    ("labels", "annotations", "told"),
    [
        ({"version": "1"}, {}, "alerts.labels.model"),
        ({"model": "m"}, {}, "alerts.labels.version"),
        ({"model": "m", "version": "one"}, {}, "a version's number, found 'one'"),
        ({"model": "m", "version": "9" * 5000}, {}, "a version's number, found '9999"),
        ({"model": "m", "version": "1"}, {"onset": "yesterday"}, "found 'yesterday'"),
        ({"model": "m", "version": "1"}, {"onset": "2026-03-01T12:00:00"}, "with its zone"),
    ],
)
def test_an_alert_that_does_not_say_what_it_is_about_is_refused(labels: dict[str, str], annotations: dict[str, str], told: str) -> None:
    alert = model_alert("m", "1", ONSET, NOON, "").model_copy(update={"labels": labels | {"action": "retrain"}, "annotations": annotations})
    with pytest.raises(RequestError, match=told):
        take(webhook([alert]), accepted)

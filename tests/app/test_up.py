"""The loop's processes, really started: which wait for what, what happens to one that is killed, and what is refused before any starts."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from app import up as loop
from app.up import Place, free_ports, require_version, services, up, wait_until_it_answers
from journey.errors import Unavailable, Untrusted
from journey.project import load_project
from tests.http_server import http_server, proxied
from tests.serving.tiny import Home, made_home

# entities, but no feature view: nothing is looked up, and nothing is refreshed
PROJECT = """\
format: 1
name: tiny
sources: {payments: {files: payments.csv}}
tables:
  payments:
    key: payment_id
    columns:
      payment_id: {type: string}
      card: {type: string}
      paid_at: {type: timestamp}
      amount: {type: float}
      channel: {type: category}
      disputed: {type: boolean}
spine: payments
time: paid_at
entities: {card: card}
predict: {label: disputed, task: binary, positive: true, metric: roc_auc, matures: 1h}
split: {by: time}
monitoring: {feedback: true}
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "project.yaml").write_text(PROJECT)
    made = made_home(tmp_path / ".journey")
    yield made
    made.ledger.close()


def place(home: Home, **ports: int) -> Place:
    return Place(home.path.parent, home.path, **{"port": 0, "trigger_port": 0} | ports)


def until(condition: Callable[[], object], seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_whoever_is_killed_comes_back_once_and_an_interrupt_ends_all(home: Home, tmp_path: Path) -> None:
    home.register()
    log, clutter = tmp_path / "up.log", tmp_path / "elsewhere"
    (clutter / "app").mkdir(parents=True)          # who starts it may stand among packages of these names
    (clutter / "app" / "__init__.py").touch()
    command = [sys.executable, "-P", "-m", "app.cli.main", "up", "-p", str(tmp_path), "--port", "0", "--trigger-port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=clutter, env=os.environ | {"JOURNEY_HOME": str(home.path)}, stdout=out, stderr=out)
    try:
        until(lambda: "trigger answers" in log.read_text() or process.poll() is not None)
        first = status(home)
        assert sorted(first["pids"]) == ["monitor", "refresh", "server", "trigger"], log.read_text()
        for pid in first["pids"].values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: set(status(home)["restarts"].values()) == {1})
        until(lambda: answers(f"{first['server']}/health/status") and answers(f"{first['trigger']}/health"))
        second = status(home)
        assert set(second["restarts"].values()) == {1}, "one restart each, no more"
        assert not set(first["pids"].values()) & set(second["pids"].values())
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in second["pids"].values())
    finally:
        process.kill()
        process.wait()


def status(home: Home) -> dict:
    told = json.loads((home.path / "up" / "status.json").read_text())
    processes = told["processes"]
    return told | {
        "pids": {one["name"]: one["pid"] for one in processes if one["running"]},
        "restarts": {one["name"]: one["restarts"] for one in processes},
    }


def test_the_server_waits_for_a_store_only_where_its_version_looks_something_up(home: Home) -> None:
    home.register()
    project = load_project(home.path.parent)
    assert not require_version(place(home), project)
    home.register(missing="default")
    assert require_version(place(home), project)
    online = home.path / "feast" / "online.db"
    needs = {one.name: one.needs for one in services(place(home), project, "", "", online)}
    assert needs == {"refresh": None, "server": online, "monitor": None, "trigger": None}


def test_a_tampered_bundle_is_refused_before_anything_starts(home: Home) -> None:
    home.register()
    (home.path / "artifacts" / "bundle-1" / "card.md").write_text("# other\n")
    with pytest.raises(Untrusted):
        require_version(place(home), load_project(home.path.parent))


@pytest.mark.parametrize("option", ["--port", "--trigger-port"])
def test_a_port_that_somebody_has_is_refused_before_anything_starts(home: Home, option: str) -> None:
    home.register()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"127.0.0.1:{port}: expected a free port, found: .*{option}"):
            up(place(home, **{option.strip("-").replace("-", "_"): port}), lambda _: None, None)  # type: ignore[arg-type]  # not reached


def test_one_port_is_not_given_twice() -> None:
    one, other = free_ports("127.0.0.1", {"--port": 0, "--trigger-port": 0})
    assert one != other
    with pytest.raises(Unavailable, match="--trigger-port"):
        free_ports("127.0.0.1", {"--port": one, "--trigger-port": one})


def test_a_service_is_waited_for_past_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    proxied(monkeypatch, "http://127.0.0.1:9")
    with http_server(Handler) as url:
        wait_until_it_answers(f"{url}/health", threading.Event(), seconds=60.0)


def test_a_first_promotion_that_fails_ends_the_loop_with_its_cause(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("the registry is broken")

    home.register()
    monkeypatch.setattr(loop, "promote_first", fails)
    monkeypatch.setattr(loop, "services", lambda *_: [])
    with pytest.raises(RuntimeError, match="the registry is broken"):
        up(place(home), lambda _: None, threading.Event())

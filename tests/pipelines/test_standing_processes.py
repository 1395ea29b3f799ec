"""Refresher and trigger as a cluster runs them: idle until a project is published, and anew when another one is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from journey.artifacts import Lookup, LookupFeature
from journey.clock import Clock
from journey.model.lookups import open_online
from journey.records.ledger import Ledger
from monitoring.alerts import model_alert, webhook
from pipelines.alert_service import PATH
from pipelines.published import publish
from tests.pipelines.test_refresher import FEATURES, PROJECT, START
from tests.ports import free_port
from tests.redis_server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
KIND = 'targets: {kind: {online: "${REDIS_URL}", ledger: "${LEDGER_URL}"}}\n'
SECONDS = 180.0
IDLE = {"healthy": True, "waiting": "for a project to be published"}
EARLIER = (START - timedelta(days=1)).isoformat()
LAST = Lookup(view="history", entity="card", column="card", ttl_seconds=None, features=(LookupFeature(name="last", type="float"),))
Start = Callable[..., "Process"]


class Process:
    """A process with /health and /metrics, and what it says."""

    def __init__(self, module: str, home: Path, environment: dict[str, str]) -> None:
        self.port, self.log = free_port(), home.with_name(f"{module}.log")
        command = [sys.executable, "-m", module, "--published", "--home", str(home), "--target", "kind", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=os.environ | environment)

    def get(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=60, trust_env=False)
        except httpx.HTTPError:
            return None

    def health(self) -> dict[str, object] | None:
        answer = self.get("/health")
        return answer.json() if answer is not None and answer.status_code == 200 else None

    def metrics(self) -> dict[str, float]:
        answer = self.get("/metrics")
        if answer is None:            # between two lives
            return {}
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
        return {sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value for sample in samples}

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"expected that {what}; it said: {self.log.read_text()}"
            time.sleep(0.1)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "bank"
    folder.mkdir()
    (folder / "project.yaml").write_text(PROJECT + KIND)
    (folder / "features.py").write_text(FEATURES)
    (folder / "payments.csv").write_text("\n".join(["card,at,amount,fraud", f"c1,{EARLIER},4.5,true"]))
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes over one home; all are ended."""
    started: list[Process] = []

    def begin(module: str, **environment: str) -> Process:
        started.append(Process(module, tmp_path / "home", environment))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()


def test_the_refresher_is_well_while_no_project_is_published_and_ends_when_it_is_told(start: Start) -> None:
    refresher = start("pipelines.refresher")
    refresher.until(lambda: refresher.health() == IDLE, "it is idle")
    assert refresher.metrics()["process_resident_memory_bytes"] > 0
    assert refresher.end() == 0


@pytest.mark.acceptance            # two processes one after the other, each loads Feast
def test_the_refresher_stays_where_a_refresh_fails_follows_the_next_project_and_mends_what_redis_lost(
    project: Path, redis_server: RedisServer, start: Start, tmp_path: Path
) -> None:
    clock = Clock(START + timedelta(minutes=20), time.time(), 1.0).text()
    refresher = start("pipelines.refresher", REDIS_URL=redis_server.url, JOURNEY_CLOCK=clock)
    refresher.until(lambda: refresher.health() == IDLE, "it is idle")
    rows = (project / "payments.csv").read_text()
    (project / "payments.csv").unlink()
    publish(tmp_path / "home", project, "image:1", "kind")
    refresher.until(lambda: refresher.metrics().get("journey_refreshes_total/failed") == 1, "it counts the refresh that failed")
    assert refresher.health() == {"healthy": True, "project": "bank", "in_use": None}
    assert "payments.csv" in refresher.log.read_text()
    (project / "payments.csv").write_text(rows)
    publish(tmp_path / "home", project, "image:1", "kind")
    refresher.until(lambda: (refresher.health() or {}).get("in_use") == START.isoformat(), "features are in use")
    assert value_of(redis_server, "c1") == 4.5
    told = refresher.metrics()
    assert (told["journey_refreshes_total/done"], told["journey_refreshes_total/failed"], told["journey_refresh_rows/history"]) == (1, 0, 1)
    assert 35 * 60 <= told["journey_refresh_age_seconds"] < 40 * 60
    with redis_server.client as client:
        client.flushall()
    refresher.until(lambda: value_of(redis_server, "c1") == 4.5, "what was lost is there again")
    refresher.until(lambda: refresher.metrics().get("journey_refreshes_total/lost") == 1, "the loss is counted")
    assert refresher.end() == 0
    assert redis_server.password not in refresher.log.read_text()
    for path in (tmp_path / "home").rglob("*"):
        assert not path.is_file() or redis_server.password.encode() not in path.read_bytes(), path


@pytest.mark.acceptance            # again two processes, with their libraries
def test_the_trigger_waits_takes_alerts_of_the_published_project_and_follows_the_next(project: Path, start: Start, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    Ledger.connect(url).close()
    trigger = start("pipelines.trigger", LEDGER_URL=url)
    alert = webhook([model_alert("bank", "1", START, START, "")])

    def post() -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{trigger.port}{PATH}", content=alert, timeout=60, trust_env=False)

    trigger.until(lambda: trigger.health() == {"healthy": True}, "it is idle")
    answer = post()
    assert (answer.status_code, "expected a published project" in answer.json()["error"]) == (503, True)
    publish(tmp_path / "home", project, "image:1", "kind")
    trigger.until(lambda: post().status_code == 202, "alerts are taken")
    assert post().json()["requests"][0]["stored"] is False            # the model has no such version
    assert trigger.metrics()["journey_retraining_requests_total/declined"] >= 2
    publish(tmp_path / "home", project, "image:2", "kind")
    trigger.until(lambda: "journey_retraining_requests_total/declined" not in trigger.metrics(), "it starts anew")
    trigger.until(lambda: trigger.health() is not None and post().status_code == 202, "alerts are taken again")
    assert trigger.end() == 0


def value_of(redis_server: RedisServer, card: str) -> object:
    """What the online store answers for a card."""
    store = open_online(redis_server.url, (LAST,))
    found = store.read({"card": card}, datetime.now(UTC))
    store.close()
    return found.get("last")

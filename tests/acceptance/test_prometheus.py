"""A real Prometheus beside a real server, with rules of a day of twelve seconds: quiet while inputs are as ever, loud once they drift."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml

from journey.watching import metric_names as names
from journey.watching.drift import evidence_of
from monitoring.promql import Timing, rule_file
from monitoring.rules import FEATURE_ALERT, MODEL_ALERT, rules_of
from monitoring.scrape import ModelVersion, Series, read
from tests.ports import free_port
from tests.serving.conftest import Server, starting
from tests.serving.tiny import made_home

DAY_SECONDS = 12.0
SCRAPE_SECONDS = 0.25
TIMING = Timing(timedelta(seconds=SCRAPE_SECONDS), 86_400 / DAY_SECONDS)
ROOT = Path(__file__).resolve().parents[2]
BATCH, PAUSE_SECONDS = 50, 0.05
AMOUNT = 'model="tiny", feature="amount"'
CHAMPION = ModelVersion("tiny", "1")


class Customers:
    """Somebody who asks all the time; `shift` moves the amounts by so many standard deviations."""

    def __init__(self, server: Server) -> None:
        self.shift = 0.0
        self._server, self._random, self._stop = server, np.random.default_rng(7), threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Customers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with self._server.new_client() as client:
            while not self._stop.wait(PAUSE_SECONDS):
                amounts = self._random.normal(self.shift, size=BATCH)
                rows = [{"amount": amount, "channel": ("online", "phone")[place % 2]} for place, amount in enumerate(amounts)]
                client.post("/api/v1.0/predictions", json={"jsonData": {"rows": rows}}).raise_for_status()


@contextmanager
def running_prometheus(folder: Path, job: dict) -> Iterator[httpx.Client]:
    """Debian's Prometheus on loopback with one scrape job and our rules, always stopped."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("expected prometheus (Debian's package of that name) on PATH, found none")
    port = free_port()
    (folder / "rules.yaml").write_text(rule_file(rules_of(("1d",)), TIMING))
    paces = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{SCRAPE_SECONDS * 1000:.0f}ms")
    config = {"global": paces, "rule_files": ["rules.yaml"], "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    listening = f"--web.listen-address=127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        command = [binary, "--config.file=prometheus.yml", f"--storage.tsdb.path={folder}/series", listening]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            _wait(lambda: _ready(client), 60, "Prometheus")
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def _wait(holds, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


def asked(prometheus: httpx.Client, expression: str) -> list[float]:
    answer = prometheus.get("/api/v1/query", params={"query": expression}).raise_for_status().json()
    return [float(sample["value"][1]) for sample in answer["data"]["result"]]


def firing(alert: str, **labels: str) -> str:
    told = ", ".join(f'{name}="{value}"' for name, value in {"alertname": alert, "alertstate": "firing", **labels}.items())
    return f"ALERTS{{{told}}}"


def ours(server: Server) -> float:
    """The PSI of the amounts over everything that the server has counted, as our own monitor works it out."""
    scrape = read(server.get("/metrics").text)
    watched = scrape.references[CHAMPION]["amount"]
    counts = np.array([scrape.counts[CHAMPION][Series("amount", name)] for name in watched.bins])
    return evidence_of(counts, watched.expected).psi


@pytest.mark.acceptance
@pytest.mark.alone
def test_prometheus_is_quiet_until_inputs_drift_and_then_both_alerts_fire(tmp_path):
    home = made_home(tmp_path / "home")
    home.promote(home.register())
    (tmp_path / "prometheus").mkdir()
    with starting(home) as start:
        server = start()
        job = {"job_name": "journey", "static_configs": [{"targets": [server.url.removeprefix("http://")]}]}
        with running_prometheus(tmp_path / "prometheus", job) as prometheus, Customers(server) as customers:
            _wait(lambda: asked(prometheus, "journey:whole:1d"), 3 * DAY_SECONDS, "a whole day")
            (groups,) = prometheus.get("/api/v1/rules").json()["data"]["groups"]
            assert [rule["lastError"] for rule in groups["rules"] if rule.get("lastError")] == []
            assert asked(prometheus, f"journey:drifted:1d{{{AMOUNT}}}") == []
            assert asked(prometheus, f"journey:rows:1d{{{AMOUNT}}}")[0] > 1_000
            assert asked(prometheus, f"journey:psi:1d{{{AMOUNT}}}") == pytest.approx([ours(server)], abs=0.02)
            assert {name for name in (names.FEATURE_BIN, names.PSI_LIMIT, names.MODEL_INFO) if not asked(prometheus, name)} == set()
            began = time.monotonic()
            customers.shift = 0.8
            _wait(lambda: asked(prometheus, firing(FEATURE_ALERT, feature="amount", window="1d")), 2 * DAY_SECONDS, FEATURE_ALERT)
            assert time.monotonic() - began > 1.0            # the evidence had to grow, and to last
            retrain = firing(MODEL_ALERT, action="retrain", version="1")
            _wait(lambda: asked(prometheus, retrain) == [1.0], DAY_SECONDS, MODEL_ALERT)
    home.ledger.close()


@pytest.mark.acceptance
def test_the_settings_for_kubernetes_make_a_target_of_each_running_pod_that_asks_for_it(tmp_path):
    settings = yaml.safe_load((ROOT / "manifests" / "base" / "prometheus" / "prometheus.yml").read_text())
    [job] = settings["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"own_namespace": True}}]        # Debian's can't
    job["static_configs"] = [
        discovered("127.0.0.1", "server-a", "Running", "server"),
        discovered("127.0.0.2", "server-b", "Succeeded", "server"),
        discovered("127.0.0.3", "postgres-0", "Running", "postgres", scrape="false"),
    ]
    with running_prometheus(tmp_path, job) as prometheus:
        _wait(lambda: targets(prometheus), 60, "a target")
        [target] = targets(prometheus)
    assert target["scrapeUrl"] == "http://127.0.0.1:9000/metrics"
    assert {name: target["labels"][name] for name in ("pod", "component")} == {"pod": "server-a", "component": "server"}


def targets(prometheus: httpx.Client) -> list[dict]:
    return prometheus.get("/api/v1/targets").raise_for_status().json()["data"]["activeTargets"]


def discovered(address: str, pod: str, phase: str, component: str, scrape: str = "true") -> dict:
    """A pod as Prometheus' discovery tells of it; it gives every target one of the pod's declared ports."""
    annotations = {"scrape": scrape, "port": "9000", "path": "/metrics"}
    found = {f"pod_annotation_prometheus_io_{name}": value for name, value in annotations.items()}
    found |= {"pod_ip": address, "pod_name": pod, "pod_phase": phase, "pod_label_app_kubernetes_io_component": component}
    return {"targets": [f"{address}:8080"], "labels": {f"__meta_kubernetes_{name}": value for name, value in found.items()}}

"""The server in pods: its image, its start, its answers against the laptop's, and rollouts under load."""

import base64
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.connections.cluster import Cluster
from components.image import STEP_IMAGE, VERSION
from components.release.deploy import selector_of
from journey.clock import Clock
from tests.cluster.conftest import PROJECT, TARGET, Kubectl, Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]      # the runs that it waits for are fixtures

ROWS = 500
# half an hour after the bank's history ends, where its features are fresh; time stands still there, so that both sides look up the same
STANDING = Clock(datetime(2026, 3, 1, 0, 30, tzinfo=UTC), 1_767_225_600.0, 1e-6).text()
READY_SECONDS = 5
STARTS = 3                  # the machine may be busy during one of them
LOAD_SECONDS = 900          # at most: it ends when the rollouts are over
LOAD_RATE, CLIENTS = 200, 16


def pods_of(model: str, kubectl: Kubectl) -> list[dict]:
    """The pods of a model's server, those among them that are leaving."""
    selector = ",".join(f"{name}={value}" for name, value in selector_of(model).items())
    return kubectl.json("get", "pods", "-l", selector)["items"]


def pod_of(model: str, kubectl: Kubectl) -> dict:
    """The one pod of a model's server."""
    [pod] = [one for one in pods_of(model, kubectl) if "deletionTimestamp" not in one["metadata"]]
    return pod


@pytest.fixture
def served(promoted: dict, kubectl: Kubectl) -> dict:
    """The one pod of the server, as it was deployed."""
    return pod_of(promoted["model"], kubectl)


def test_the_promotion_says_which_image_answers(promoted: dict, served: dict):
    assert promoted["deployed"]["version"] == promoted["version"]
    assert served["spec"]["containers"][0]["image"] == promoted["deployed"]["image"]


def test_the_node_pulled_the_image_from_the_registry_by_its_digest(promoted: dict, served: dict):
    image = promoted["deployed"]["image"]
    assert image.startswith(f"localhost:5000/{promoted['model']}@sha256:")
    assert served["status"]["containerStatuses"][0]["imageID"].endswith(image.partition("@")[2])


def test_it_is_ready_in_under_five_seconds_after_its_container_started(promoted: dict, kubectl: Kubectl):
    """The pod of the promotion may be minutes old, and not have answered for a moment since: then new ones are looked at."""
    took = [seconds_until_ready(pod_of(promoted["model"], kubectl))]
    while took[-1] >= READY_SECONDS and len(took) < STARTS:
        _start_anew(kubectl, promoted["model"])
        took.append(seconds_until_ready(pod_of(promoted["model"], kubectl)))
    assert took[-1] < READY_SECONDS, took


def seconds_until_ready(pod: dict) -> float:
    """From its container's start to the last time it became ready; infinite while it isn't."""
    status = pod["status"]
    assert status["containerStatuses"][0]["restartCount"] == 0
    started = datetime.fromisoformat(status["containerStatuses"][0]["state"]["running"]["startedAt"])
    [ready] = [item for item in status["conditions"] if item["type"] == "Ready"]
    if ready["status"] != "True":
        return float("inf")
    return (datetime.fromisoformat(ready["lastTransitionTime"]) - started).total_seconds()


def test_it_is_nobody_and_writes_nowhere_but_to_its_own_folder(served: dict, kubectl: Kubectl):
    tried = "import os; print(os.getuid()); open('/tmp/x', 'w').close(); open('/opt/journey/x', 'w')"
    answer = kubectl.ask("exec", served["metadata"]["name"], "--", "python", "-c", tried)
    assert answer.stdout.strip() == "65532"
    assert "Read-only file system" in answer.stderr


def test_no_password_stands_in_the_deployment(kubectl: Kubectl, promoted: dict):
    password = yaml.safe_load(kubectl("get", "secret/redis", "-o", "yaml"))["data"]["REDIS_PASSWORD"]
    assert base64.b64decode(password).decode() not in kubectl("get", f"deployment/{promoted['model']}", "-o", "yaml")


@pytest.fixture(scope="module")
def rows(bank: Path) -> list[dict]:
    """The newest payments, as raw as the bank has them."""
    with sqlite3.connect(bank) as books:
        books.row_factory = sqlite3.Row
        found = [dict(row) for row in books.execute("SELECT * FROM payments ORDER BY paid_at DESC LIMIT ?", (ROWS,))]
    books.close()
    return found


@pytest.fixture
def load(promoted: dict, rows: list[dict], cluster: Cluster) -> Iterator[str]:
    """A pod elsewhere in the cluster that asks the Service 200 times a second; the name of the pod, once it gets answers."""
    outside = replace(cluster, namespace="default")      # a client of another namespace, as most are
    script = (Path(__file__).parent / "load.py").read_text()
    url = f"http://{promoted['model']}.{cluster.namespace}.svc"
    body = json.dumps({"jsonData": {"rows": rows[:1]}})
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "load", "image": f"{STEP_IMAGE}:{VERSION}", "imagePullPolicy": "IfNotPresent", "securityContext": security,
        "command": ["python", "-c", script, url, str(LOAD_RATE), str(LOAD_SECONDS), str(CLIENTS), body],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }  # fmt: skip
    name = outside.create({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "journey-load-", "labels": {"app.kubernetes.io/part-of": "journey-tests"}},
        "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]},
    })  # fmt: skip
    try:
        until = time.monotonic() + 120
        while outside.get("Pod", name)["status"]["phase"] == "Pending":
            assert time.monotonic() < until, "the load's pod didn't start"
            time.sleep(0.5)
        assert json.loads(next(outside.log_lines(name))) == {"begun": True}
        yield name
    finally:
        outside.delete("Pod", name, grace_seconds=0)


def test_rollouts_there_and_back_under_200_requests_a_second_lose_none(
    promoted: dict, second_run: dict, load: str, laptop: Laptop, cluster: Cluster, kubectl: Kubectl
):
    first, second = promoted["version"], second_run["version"]
    forward = laptop.json("promote", str(second), "--target", TARGET)
    assert forward["deployed"]["version"] == second
    status = laptop.json("status", "--target", TARGET)
    assert (status["server"]["answering"], status["server"]["done"]) == ([second], True)
    back = laptop.json("rollback", "--target", TARGET)
    assert (back["version"], back["deployed"]["version"]) == (first, first)

    until = time.monotonic() + 120                      # a kept connection stays with the pod that leaves for some seconds
    while len(pods_of(promoted["model"], kubectl)) > 1:
        assert time.monotonic() < until, "the pod of the version before didn't leave"
        time.sleep(0.5)
    kubectl("exec", "--namespace=default", load, "--", "python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
    *_, last = replace(cluster, namespace="default").log_lines(load)
    counted = json.loads(last)
    assert counted["lost"] == {}
    assert sum(counted["answers"].values()) == counted["asked"]
    assert counted["order"] == [str(first), str(second), str(first)]
    assert counted["asked"] > 0.8 * LOAD_RATE * counted["seconds"]      # it did ask at that rate


def test_promoting_what_is_served_already_changes_no_pod(promoted: dict, laptop: Laptop, kubectl: Kubectl):
    def generation() -> int:
        return kubectl.json("get", f"deployment/{promoted['model']}")["metadata"]["generation"]

    before = generation()
    again = laptop.json("promote", str(promoted["version"]), "--target", TARGET)
    assert again["deployed"]["version"] == promoted["version"]
    assert generation() == before


@pytest.fixture(scope="module")
def standing_time(promoted: dict, kubectl: Kubectl) -> Iterator[str]:
    """JOURNEY_CLOCK of all pods that ask for the time: it stands still while the tests compare."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "journey-settings"}, "data": {"JOURNEY_CLOCK": STANDING}}
    before = kubectl.ask("get", "configmap/journey-settings", "--output=json")
    kubectl("apply", "--filename=-", stdin=yaml.safe_dump(settings))
    _start_anew(kubectl, "refresh", promoted["model"])
    yield STANDING
    kubectl("delete", "configmap/journey-settings")
    if before.returncode == 0:
        settings["data"] = json.loads(before.stdout).get("data", {})
        kubectl("apply", "--filename=-", stdin=yaml.safe_dump(settings))
    _start_anew(kubectl, "refresh", promoted["model"])


def _start_anew(kubectl: Kubectl, *deployments: str) -> None:
    kubectl("rollout", "restart", *(f"deployment/{name}" for name in deployments))
    for name in deployments:
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s", timeout_seconds=320)


@pytest.fixture(scope="module")
def here(laptop: Laptop, laptop_run: dict, rows: list[dict], standing_time: str, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The laptop's probabilities of the rows, shape [rows, 2], with online features of the same moment."""
    then = replace(laptop, environment={**laptop.environment, "JOURNEY_CLOCK": standing_time})
    refresh = [sys.executable, "-m", "pipelines.refresher", "-p", str(PROJECT), "--home", str(laptop.home), "--once"]
    done = subprocess.run(refresh, env=then.environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path_factory.mktemp("scored")
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    scored = then("predict", str(folder / "rows.parquet"), "-o", str(folder / "scored.parquet"), "--version", str(laptop_run["version"]))
    assert scored.returncode == 0, scored.stderr
    table = pq.read_table(folder / "scored.parquet")
    assert table["error"].null_count == len(rows)
    return np.column_stack([table["probability_false"], table["probability_true"]])


def test_raw_rows_through_the_service_get_the_laptop_s_predictions(
    here: np.ndarray, rows: list[dict], server: tuple[str, httpx.Client], laptop_run: dict
):
    """With looked-up features out of Redis there, and out of a file here."""
    base, client = server
    body = {"jsonData": {"rows": rows}, "meta": {"tags": {"explain": True}}}
    answer = _once_refreshed(client, f"{base}/api/v1.0/predictions", body)
    assert client.get(f"{base}/metadata").json()["bundle"] == laptop_run["bundle_digest"]
    found = answer["meta"]["tags"]["lookups"]
    assert sum(bool(one) for one in found) > 0.9 * ROWS      # of 5,000 cards some few didn't pay within a week
    there = np.array(answer["data"]["ndarray"])
    assert there.shape == here.shape == (ROWS, 2)
    assert len(np.unique(there[:, 1])) > ROWS / 10
    assert np.all(np.abs(there - here) <= 1e-6 + 1e-5 * np.abs(here))


def _once_refreshed(client: httpx.Client, url: str, body: dict) -> dict:
    """The answer, once the features of the moment are in use."""
    until = time.monotonic() + 180
    while True:
        why = "no looked-up features came"
        try:
            answer = client.post(url, json=body, timeout=60)
            answer.raise_for_status()
            if any(answer.json()["meta"]["tags"]["lookups"]):
                return answer.json()
        except httpx.HTTPError as error:                # the pods have just been made anew: a request may go to one that is gone
            why = repr(error)
        assert time.monotonic() < until, why
        time.sleep(1)

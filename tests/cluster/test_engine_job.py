"""The engine `job` in a real cluster: an executor in a pod beside the volume, under the rights that the manifests give it."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components import pod as common
from components.connections.cluster import Cluster
from components.connections.pods import Pod
from components.image import STEP_IMAGE, VERSION
from tests.cluster.conftest import Kubectl

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
NAMESPACE = "journey-test-engine"
IMAGE = f"{STEP_IMAGE}:{VERSION}"
MANIFESTS = (
    "executor/serviceaccount.yaml",
    "executor/role.yaml",
    "executor/rolebinding.yaml",
    "step/serviceaccount.yaml",
)


@dataclass(frozen=True)
class Room:
    """A namespace in which pipelines of toy_pipelines.py run."""

    cluster: Cluster

    def start(self, run: str, pipeline: str, *, owns: bool = True) -> str:
        """Starts an executor; gives its pod's name. Pods that it doesn't own are not collected with it."""
        parts = (common.home(), common.scratch())
        who = [common.field_variable("JOURNEY_POD_NAME", "metadata.name"), common.field_variable("JOURNEY_POD_UID", "metadata.uid")]
        script = {"name": "toys", "configMap": {"name": "toys"}}
        container = {
            "name": "executor",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "/toys/toy_pipelines.py", run, pipeline],
            "env": [*common.variables("kind", NAMESPACE=NAMESPACE, JOURNEY_IMAGE=IMAGE), *(who if owns else ())],
            "securityContext": common.container_security(),
            "volumeMounts": [*(part.mount for part in parts), {"name": "toys", "mountPath": "/toys"}],
        }
        spec = {
            "serviceAccountName": "journey-executor",
            "automountServiceAccountToken": True,
            "restartPolicy": "Never",
            "securityContext": common.pod_security(),
            "containers": [container],
            "volumes": [*(part.volume for part in parts), script],
        }
        metadata = {"name": f"executor-{run}-{time.monotonic_ns() % 10**6}", "labels": common.labels("toys", common.EXECUTOR, run=run)}
        return self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def ended(self, executor: str) -> Mapping[str, Any]:
        """Waits for an executor; gives what it told."""
        self.wait(lambda: (pod := self.pod(executor)) is not None and pod.ended)
        until = time.monotonic() + 60
        while not (last := (log := self.cluster.log(executor).strip()).rpartition("\n")[2]).startswith("{"):
            assert time.monotonic() < until, log        # a busy node says that a container has ended before it has all that it wrote
            time.sleep(0.3)
        return dict(json.loads(last))

    def run(self, run: str, pipeline: str) -> Mapping[str, Any]:
        """Runs a pipeline to its end."""
        return self.ended(self.start(run, pipeline))

    def pod(self, name: str) -> Pod | None:
        """A pod as it is now."""
        found = self.cluster.get("Pod", name)
        return Pod.read(found) if found else None

    def steps(self, run: str) -> list[Pod]:
        """The pods of a run's steps."""
        return [Pod.read(pod) for pod in self.cluster.list("Pod", f"journey/run={run},app.kubernetes.io/component=step")]

    def made(self, run: str) -> set[str]:
        """The steps of a run that have had a pod, also one that is gone."""
        names = (str(event["involvedObject"]["name"]) for event in self.cluster.list("Event", fields="reason=Scheduled"))
        return {found["step"] for name in names if (found := re.fullmatch(rf"{run}-(?P<step>.+)-[0-9a-f]{{6}}", name))}

    def wait(self, holds: Callable[[], bool], seconds: float = 600) -> None:
        """Waits until it holds."""
        ends = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < ends, f"expected it within {seconds} s"
            time.sleep(0.3)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """A namespace with the rights of the manifests, an empty home, and the pipelines' file."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("needs a Kubernetes behind KUBECONFIG")
    cluster = Cluster.connect(NAMESPACE)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        files = [word for file in MANIFESTS for word in ("-f", str(ROOT / "manifests" / "base" / file))]
        subprocess.run(["kubectl", "--namespace", NAMESPACE, "apply", *files], check=True, capture_output=True)
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}       # one node's: kind has no others
        cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": common.HOME_CLAIM}, "spec": claim})
        data = {"toy_pipelines.py": (Path(__file__).parent / "toy_pipelines.py").read_text()}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "toys"}, "data": data})
        yield Room(cluster)
    finally:
        cluster.delete("Namespace", NAMESPACE)
        cluster.close()


@pytest.fixture(scope="module")
def bad(room: Room) -> Mapping[str, Any]:
    """A run of four steps that fail, each in its way."""
    return room.run("bad", "bad")


def test_steps_run_in_pods_of_their_own_and_a_second_run_makes_none(room: Room) -> None:
    first = room.run("first", "plain")
    second = room.run("second", "plain")

    assert first["failures"] == {}
    assert first["outputs"]["read"]["Output"] == "hello 5 first"
    assert "wrote hello" in first["logs"]["write"]
    room.wait(lambda: room.made("first") >= {"write", "read"}, 60)          # the scheduler tells of a pod after it has given it to a node
    assert room.made("first") == {"write", "read"}
    assert room.made("second") == set()
    assert {name: step["cached"] for name, step in second["steps"].items()} == {"write": True, "read": True}
    room.wait(lambda: room.steps("first") == [])


def test_a_gate_that_says_no_is_told_with_its_message_and_exit_code(bad: Mapping[str, Any]) -> None:
    assert bad["failures"]["refuse"] == ["journey.errors.GateFailed", "roc_auc: expected at least 0.9,\nfound 0.5", 3]
    assert bad["steps"]["refuse"]["state"] == "refused"
    assert "about to refuse" in bad["logs"]["refuse"]


def test_a_step_that_needs_more_memory_than_its_limit_says_so(bad: Mapping[str, Any]) -> None:
    _, message, _ = bad["failures"]["eat"]

    assert message.startswith("expected at most 64Mi of memory, which is its limit, found more: OOMKilled.")
    assert "targets.kind.resources.eat.memory" in message


def test_an_image_that_cannot_be_pulled_is_named_with_the_registrys_error(bad: Mapping[str, Any]) -> None:
    _, message, _ = bad["failures"]["unpullable"]

    assert "localhost:1" in message
    assert "connection refused" in message
    assert bad["seconds"] > 55          # a registry that has just started is given time


def test_the_root_is_read_only(bad: Mapping[str, Any]) -> None:
    kind, message, _ = bad["failures"]["mistaken"]

    assert kind == "builtins.OSError"
    assert "Read-only file system" in message


def test_a_pod_that_is_deleted_while_it_runs_is_made_anew_and_nothing_is_doubled(room: Room) -> None:
    executor = room.start("lost", "lost")
    room.wait(lambda: any("attempt 1" in room.cluster.log(pod.metadata.name) for pod in room.steps("lost") if pod.started))
    copy = "/journey/home/runs/lost/log/interrupted.log"                    # the executor follows the log a moment later than this test
    room.wait(lambda: Kubectl(NAMESPACE).ask("exec", executor, "--", "grep", "--quiet", "attempt 1", copy).returncode == 0)
    room.cluster.delete("Pod", room.steps("lost")[0].metadata.name)

    ended = room.ended(executor)

    assert ended["failures"] == {}
    assert ended["outputs"]["interrupted"]["Output"] == 2
    assert "attempt 1" in ended["logs"]["interrupted"]
    assert "attempt 2" in ended["logs"]["interrupted"]


def test_an_executor_that_is_told_to_end_takes_its_pods_with_it(room: Room) -> None:
    executor = room.start("again", "bad", owns=False)
    room.wait(lambda: bool(room.steps("again")))

    room.cluster.delete("Pod", executor)

    room.wait(lambda: all(pod.metadata.deletion_timestamp for pod in room.steps("again")), seconds=240)

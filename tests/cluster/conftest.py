"""A Kubernetes as tests see it: KUBECONFIG and nothing else. `tests/cluster/run` makes what they find there.

The example payments is the project: its target `kind` names the namespace. What takes long (the runs on the laptop and in the cluster, the
promotion) is done once for all tests, when the first of them asks for it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import yaml

from components.connections.cluster import Cluster
from components.connections.pods import explained

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "examples" / "payments"
OVERLAY = ROOT / "manifests" / "overlays" / "kind"
TARGET = "kind"
READY_SECONDS = 600             # all pods of the platform on two busy cores; MLflow makes its tables first

Answer = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Kubectl:
    """kubectl in the namespace of the tests; `kubectl("get", "pods")` gives its stdout."""

    namespace: str

    def __call__(self, *words: str, stdin: str | None = None, timeout_seconds: float = 120) -> str:
        answer = self.ask(*words, stdin=stdin, timeout_seconds=timeout_seconds)
        assert answer.returncode == 0, f"kubectl {' '.join(words)}: {answer.stderr}"
        return answer.stdout

    def ask(self, *words: str, stdin: str | None = None, timeout_seconds: float = 120) -> Answer:
        """The same with its exit code, whatever it is."""
        return subprocess.run(
            ["kubectl", "--namespace", self.namespace, *words],
            input=stdin, capture_output=True, text=True, timeout=timeout_seconds, check=False,
        )

    def json(self, *words: str) -> dict:
        """An object, or a list of them."""
        return json.loads(self(*words, "--output=json"))


@dataclass(frozen=True)
class Laptop:
    """The machine that people sit at: the `journey` command, and a home that knows nothing of the cluster's records."""

    home: Path
    environment: dict[str, str]
    project: Path = PROJECT

    def __call__(self, *words: str, timeout_seconds: float = 900) -> Answer:
        """`journey WORDS -p PROJECT`, whatever its exit code."""
        command = self._command(*words)
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout_seconds, check=False)

    def json(self, *words: str, timeout_seconds: float = 900) -> dict:
        """What the command says with --json; it must have ended well."""
        answer = self(*words, "--json", timeout_seconds=timeout_seconds)
        assert answer.returncode == 0, f"journey {' '.join(words)}: exit code {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
        return json.loads(answer.stdout.strip().splitlines()[-1])

    def started(self, *words: str) -> subprocess.Popen[str]:
        """The command under way, its stdout and stderr as pipes; the caller waits for it."""
        command, pipe = self._command(*words), subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "app.cli.main", *words, "-p", str(self.project)]


@pytest.fixture(scope="session")
def namespace() -> str:
    """The namespace that the project's target names."""
    return yaml.safe_load((PROJECT / "project.yaml").read_text())["targets"][TARGET]["namespace"]


@pytest.fixture(scope="session")
def kubectl(namespace: str) -> Kubectl:
    """kubectl, of a cluster that answers."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG isn't set: make test-cluster makes a Kubernetes where it can")
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl isn't installed")
    asked = Kubectl(namespace)
    answer = asked.ask("get", "--raw=/readyz", timeout_seconds=60)
    assert answer.returncode == 0, f"KUBECONFIG={os.environ['KUBECONFIG']}: expected a Kubernetes that answers, found: {answer.stderr}"
    return asked


@pytest.fixture(scope="session")
def cluster(kubectl: Kubectl) -> Iterator[Cluster]:
    """The namespace through our own client, as the account of KUBECONFIG."""
    connected = Cluster.connect(kubectl.namespace)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def platform(kubectl: Kubectl, cluster: Cluster) -> Cluster:
    """The namespace with all that the overlay holds, ready; where it doesn't become so, each pod's own reason is told."""
    if kubectl.ask("get", "deployment/mlflow").returncode:
        pytest.skip(f"namespace {kubectl.namespace} holds no platform: make test-cluster applies it")
    until = time.monotonic() + READY_SECONDS
    while waiting := _unready(kubectl):
        if time.monotonic() > until:
            reasons = [found.text for pod in cluster.list("Pod") if (found := explained(cluster, pod))]
            pytest.fail(f"after {READY_SECONDS} s not ready: {', '.join(waiting)}\n" + "\n".join(reasons))
        time.sleep(1)
    return cluster


def _unready(kubectl: Kubectl) -> list[str]:
    """Names of what isn't as it should be yet: workloads that belong to the platform, and the example's data."""
    found = []
    for thing in kubectl.json("get", "deployments,statefulsets,jobs", "--selector=app.kubernetes.io/part-of=journey")["items"]:
        metadata, status = thing["metadata"], {"readyReplicas": 0, "observedGeneration": 0, **thing.get("status", {})}
        if thing["kind"] == "Job":
            done = metadata["name"] != "bank" or status.get("succeeded", 0) > 0         # runs and promotions are Jobs, too
        else:
            done = status["readyReplicas"] == thing["spec"]["replicas"] and status["observedGeneration"] == metadata["generation"]
        if not done:
            found.append(f"{thing['kind']} {metadata['name']}")
    return found


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bank's database on the laptop: the command that the cluster's Job runs, so that both hold the same rows."""
    path = tmp_path_factory.mktemp("bank") / "bank.db"
    subprocess.run([sys.executable, PROJECT / "generator.py", "--out", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def laptop(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """The `journey` command with a new home."""
    home = tmp_path_factory.mktemp("laptop")
    kept = {name: os.environ[name] for name in ("PATH", "KUBECONFIG", "HOME", "LANG", "DOCKER_HOST") if name in os.environ}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "ORT_DISABLE_TELEMETRY": "1", "FEAST_USAGE": "False", "DO_NOT_TRACK": "true"}
    return Laptop(home, {**kept, **quiet, "JOURNEY_HOME": str(home), "BANK_URL": f"sqlite:///{bank}", "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="session")
def laptop_run(laptop: Laptop) -> dict:
    """What `journey run --json` says on the laptop."""
    return laptop.json("run")


@pytest.fixture(scope="session")
def first_run(platform: Cluster, laptop: Laptop) -> dict:
    """What the first `journey run --target kind --json` says: sixteen steps and an image, nothing of them cached in a new cluster."""
    return laptop.json("run", "--target", TARGET, "--wait", timeout_seconds=1500)


@pytest.fixture(scope="session")
def second_run(first_run: dict, laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a run says of a second version: another kind of model, and no gate, since it needn't be better than the first."""
    project = tmp_path_factory.mktemp("second") / "payments"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".journey", "__pycache__"))
    changed = yaml.safe_load((project / "project.yaml").read_text()) | {"candidates": ["logistic"], "gates": {}}
    (project / "project.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    run = replace(laptop, project=project).json("run", "--target", TARGET, "--wait", timeout_seconds=1500)
    assert run["version"] != first_run["version"]
    return run


@pytest.fixture(scope="session")
def promoted(first_run: dict, laptop: Laptop) -> dict:
    """What `journey promote --target kind --json` says of the first run's version: its server answers from now on."""
    return laptop.json("promote", str(first_run["version"]), "--target", TARGET)


@pytest.fixture(scope="session")
def prometheus(platform: Cluster) -> Iterator[Callable[..., dict]]:
    """`prometheus("query", query="up")`: what Prometheus' HTTP API answers, its `data`."""
    base, client = platform.proxy("prometheus", 9090)

    def asked(path: str, **parameters: str) -> dict:
        answer = client.get(f"{base}/api/v1/{path}", params=parameters)
        answer.raise_for_status()
        body = answer.json()
        assert body["status"] == "success", body
        return body["data"]

    with client:
        yield asked


@pytest.fixture(scope="session")
def server(promoted: dict, platform: Cluster) -> Iterator[tuple[str, httpx.Client]]:
    """The model's Service: its address and a client that reaches it, through the API server."""
    base, client = platform.proxy(promoted["model"], 80)
    with client:
        yield base, client


@pytest.fixture
def prometheus_with(kubectl: Kubectl, platform: Cluster, tmp_path: Path) -> Callable[..., AbstractContextManager[None]]:
    """`with prometheus_with(rules=…, scrape="1s"):` has Prometheus judge by these rules; afterwards it is as the overlay says."""

    @contextmanager
    def changed(rules: str, scrape: str) -> Iterator[None]:
        [settings] = [one for one in _only_prometheus(_built(OVERLAY)) if one["kind"] == "ConfigMap"]
        config = yaml.safe_load(settings["data"]["prometheus.yml"])
        config["global"] |= {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": scrape}
        overlay = _with_prometheus(tmp_path, {"prometheus.yml": yaml.safe_dump(config), "rules.yaml": rules}, kubectl.namespace)
        _rolled(kubectl, kubectl_input=overlay)
        try:
            yield
        finally:
            _rolled(kubectl, kubectl_input=yaml.safe_dump_all(_only_prometheus(_built(OVERLAY))))

    return changed


def _built(folder: Path) -> list[dict]:
    made = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(made.stdout))


def _only_prometheus(objects: list[dict]) -> list[dict]:
    return [one for one in objects if one["kind"] in ("ConfigMap", "StatefulSet") and one["metadata"]["name"].startswith("prometheus")]


def _with_prometheus(folder: Path, files: dict[str, str], namespace: str) -> str:
    """The overlay's Prometheus with other settings, as YAML: kustomize itself names the ConfigMap and has the StatefulSet follow."""
    for name, text in files.items():
        (folder / name).write_text(text)
    generator = {"name": "prometheus-settings", "behavior": "merge", "files": list(files)}
    resources = [os.path.relpath(OVERLAY, folder.resolve())]
    overlay = {"resources": resources, "namespace": namespace, "configMapGenerator": [generator]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return yaml.safe_dump_all(_only_prometheus(_built(folder)))


def _rolled(kubectl: Kubectl, kubectl_input: str) -> None:
    kubectl("apply", "--filename=-", stdin=kubectl_input)
    kubectl("rollout", "status", "statefulset/prometheus", "--timeout=300s", timeout_seconds=320)

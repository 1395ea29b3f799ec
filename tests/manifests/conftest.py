"""The overlays as kubectl builds them."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("manifests/overlays/kind", "manifests/overlays/prod")


def built(folder: str) -> list[dict]:
    """The objects of a kustomization, those that `kubectl apply -k` would send."""
    made = subprocess.run(["kubectl", "kustomize", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert not made.stderr, made.stderr                  # what is deprecated is told there
    return list(yaml.safe_load_all(made.stdout))


@pytest.fixture(scope="session")
def kubectl() -> None:
    """kubectl is there, and new enough."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl isn't installed: the manifests can't be built")
    asked = subprocess.run([ROOT / ".ci" / "kubectl"], capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip(asked.stderr.strip())


@pytest.fixture(scope="session")
def everything(kubectl: None) -> dict[str, list[dict]]:
    """Overlay > its objects; the example's bank among them."""
    return {folder: built(folder) for folder in (*OVERLAYS, "examples/payments")}


@pytest.fixture(params=OVERLAYS, ids=["kind", "prod"])
def overlay(request: pytest.FixtureRequest, everything: dict[str, list[dict]]) -> list[dict]:
    """The objects of one overlay."""
    return everything[request.param]

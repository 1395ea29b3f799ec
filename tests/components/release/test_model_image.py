"""A model's image on a real engine: pulled by digest from a real registry, without root, ready in seconds."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.connections.image_registry import ImageRegistry
from components.image import SERVING_IMAGE, VERSION
from components.release.additions import model_addition
from components.release.containerize import Named, containerize
from tests.image_registry_server import RegistryServer, running_registry
from tests.serving.tiny import probability, write_tiny_bundle

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 5.0
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65532:65532")

pytestmark = pytest.mark.acceptance


def docker(*arguments: object, timeout: float = 120) -> str:
    ran = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=timeout)
    assert ran.returncode == 0, f"docker {arguments[0]}: {ran.stdout}{ran.stderr}"
    return ran.stdout.strip()


@pytest.fixture
def based(tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that has the platform's server image, as `make images push-images` leaves it."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker engine answers here")
    with running_registry(tmp_path / "registry") as server:
        pushed = f"{server.address}/{SERVING_IMAGE}:{VERSION}"
        docker("build", "-q", "--build-arg", f"VERSION={VERSION}", "-f", ROOT / "serving" / "Dockerfile", "-t", pushed, ROOT, timeout=900)
        docker("push", "-q", pushed)
        yield server
        docker("rmi", pushed)


def ready(url: str, until: float) -> None:
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/health/status", timeout=1.0, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError(f"{url} didn't become ready in {READY_SECONDS} s")


def test_the_engine_pulls_the_image_and_it_answers_without_root_or_a_root_to_write_to_in_under_five_seconds(
    based: RegistryServer, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    write_tiny_bundle(bundle, tmp_path / "keys", 3.0)
    with ImageRegistry.at(based.address, {}) as registry:
        digest = containerize(registry, Named(SERVING_IMAGE, VERSION), Named("tiny", "v1"), model_addition("tiny", bundle))
    reference = f"{based.address}/tiny@{digest}"
    docker("pull", reference)
    mounted = ("-v", f"{tmp_path / 'keys' / 'signing.pub'}:/journey/keys/signing.pub:ro", "-e", "JOURNEY_KEYS=/journey/keys")
    served = ("--bundle", "/opt/journey/bundle", "--model", "tiny", "--version", "1")
    container = docker("run", "-d", *HARDENED, *mounted, reference, *served)
    began = time.monotonic()
    try:
        address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container)
        ready(f"http://{address}:9000", began + READY_SECONDS)
        row = {"data": {"names": ["amount", "channel"], "ndarray": [[0.2, "online"]]}}
        answer = httpx.post(f"http://{address}:9000/predict", json=row, trust_env=False, timeout=60).json()
        assert answer["data"]["ndarray"][0][1] == pytest.approx(probability(0.2, "online", 3.0), abs=1e-6)
    except AssertionError as error:
        logs = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False)
        raise AssertionError(f"{error}: {logs.stdout}{logs.stderr}") from error
    finally:
        docker("rm", "-f", container)
        docker("rmi", reference)

"""No secret's value is anywhere but in its Secret: not in manifests, objects, images, the compiled pipeline, logs, or files of the home."""

import base64
import gzip
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.cluster_secrets import POSTGRES, REDIS
from components.image import STEP_IMAGE, VERSION
from journey.model.keys import PRIVATE
from pipelines.placement import SIGNING

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
PLANTED = ((POSTGRES, "POSTGRES_PASSWORD"), (POSTGRES, "MLFLOW_PASSWORD"), (REDIS, "REDIS_PASSWORD"), (SIGNING, PRIVATE))
HOME = ("deployment/refresh", "/journey/home", "/tmp")
MODELS = ("deployment/mlflow", "/mlflow", "/tmp")
OBJECTS = "pods,deployments,statefulsets,replicasets,jobs,configmaps,services,events,serviceaccounts"
TRIES = 5                   # at reading files that others write, and take away, meanwhile
GZIPPED = b"\x1f\x8b"
CONFIGS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def planted(kubectl, platform) -> dict[str, str]:
    """Secret/key > what must be seen nowhere. All were made at random for this namespace; URLs hold the same passwords."""
    found = {}
    for secret, key in PLANTED:
        encoded = kubectl("get", "secret", secret, "--output=jsonpath={.data." + key.replace(".", "\\.") + "}")
        lines = base64.b64decode(encoded).decode().strip().splitlines()
        found[f"{secret}/{key}"] = next(line for line in lines if not line.startswith("-----"))
    assert min(map(len, found.values())) >= 32
    return found


def seen(planted: dict[str, str], text: str) -> list[str]:
    """Which secrets a text shows: as they are, or in base64."""
    return [name for name, value in planted.items() if value in text or base64.b64encode(value.encode()).decode().rstrip("=")[:-1] in text]


def test_what_looks_for_secrets_finds_one_where_there_is_one(planted, kubectl):
    assert seen(planted, f"password={next(iter(planted.values()))}")
    assert len(seen(planted, kubectl("get", "secrets", "--output=json"))) >= 3


def test_manifests_and_the_projects_files_hold_none(planted):
    for overlay in ("manifests/overlays/kind", "manifests/overlays/prod", "examples/payments"):
        built = subprocess.run(["kubectl", "kustomize", overlay], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert not seen(planted, built)


def test_the_compiled_pipeline_holds_none_though_the_variables_are_set_where_it_is_compiled(planted, laptop, tmp_path):
    page = tmp_path / "pipeline.yaml"
    urls = {name: f"scheme://user:{'-'.join(planted.values())}@host" for name in ("BANK_URL", "LEDGER_URL", "MLFLOW_URL", "REDIS_URL")}
    knowing = replace(laptop, environment=laptop.environment | urls)
    compiled = knowing("compile", "--to", "kfp", "--target", "kind", "--image", f"localhost:5000/{STEP_IMAGE}:{VERSION}", "-o", str(page))
    assert compiled.returncode == 0, compiled.stderr
    assert not seen(planted, page.read_text())


def test_the_objects_of_the_namespace_hold_none_but_its_secrets(planted, promoted, kubectl):
    assert not seen(planted, kubectl("get", OBJECTS, "--output=json"))


def test_no_pod_wrote_one_to_its_log(planted, promoted, kubectl):
    pods = [pod["metadata"]["name"] for pod in kubectl.json("get", "pods")["items"]]
    assert len(pods) >= 7
    read = 0
    for pod in pods:
        for words in (("logs", pod, "--all-containers"), ("logs", pod, "--all-containers", "--previous")):
            told = kubectl.ask(*words)
            read += told.returncode == 0
            assert not seen(planted, told.stdout), pod
    assert read >= 7        # not every container has one before it, or a log at all


def test_the_laptop_was_told_none(planted, promoted, laptop):
    for path in laptop.home.rglob("*"):
        if path.is_file():
            assert not seen(planted, path.read_bytes().decode(errors="replace")), path


@pytest.mark.parametrize("place", [HOME, MODELS], ids=["home", "models"])
def test_no_file_on_a_volume_holds_one(place, planted, promoted, kubectl):
    pod, *folders = place
    look = ("grep", "--recursive", "--files-with-matches", "--fixed-strings", "--file=-", *folders)
    for _ in range(TRIES):
        looked = kubectl.ask("exec", "--stdin", pod, "--", *look, stdin="\n".join(planted.values()) + "\n", timeout_seconds=300)
        if looked.returncode != 2:
            break
    assert looked.returncode == 1, looked.stdout + looked.stderr         # 1: grep found nothing; 2: it couldn't look


def test_images_hold_none_in_their_configuration_their_history_or_their_newest_layer(planted, promoted, platform):
    base, client = platform.proxy("registry", 5000)
    with client:
        repositories = client.get(f"{base}/v2/_catalog").json()["repositories"]
        assert {"payments", "payments-steps", "journey-steps"} <= set(repositories)
        for repository in repositories:
            tags = client.get(f"{base}/v2/{repository}/tags/list").json()["tags"]
            assert tags, repository
            for tag in tags:
                manifest = client.get(f"{base}/v2/{repository}/manifests/{tag}", headers={"Accept": CONFIGS})
                blobs = manifest.json()["config"], manifest.json()["layers"][-1]
                config, layer = (client.get(f"{base}/v2/{repository}/blobs/{blob['digest']}") for blob in blobs)
                files = gzip.decompress(layer.content) if layer.content.startswith(GZIPPED) else layer.content
                assert not seen(planted, manifest.text + config.text + files.decode(errors="replace")), f"{repository}:{tag}"


def test_a_process_of_the_cluster_shows_none_in_its_arguments(planted, platform, kubectl):
    arguments = "import pathlib; print([path.read_bytes() for path in pathlib.Path('/proc').glob('[0-9]*/cmdline')])"
    for pod in ("deployment/refresh", "deployment/trigger", "deployment/mlflow"):
        assert not seen(planted, kubectl("exec", pod, "--", "python", "-c", arguments))
    for pod in ("postgres-0", "redis-0", "prometheus-0", "registry-0"):
        assert not seen(planted, kubectl("exec", pod, "--", "cat", "/proc/1/cmdline"))

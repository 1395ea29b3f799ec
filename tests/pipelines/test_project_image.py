"""The image of a project's steps, and the way to the registry that gets it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from components.connections.image_registry import ImageRegistry
from components.image import STEP_IMAGE, VERSION
from components.oci import Configuration
from journey.errors import ProjectError
from journey.targets import Target
from pipelines.project_image import project_image, registry_of
from tests.image_registry_server import RegistryServer, push_base, running_registry

CLUSTER = SimpleNamespace(
    namespace="payments",
    server=SimpleNamespace(url="https://cluster:6443"),
    proxy=lambda service, port: (f"https://cluster:6443/services/{service}:{port}/proxy", httpx.Client()),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def registry(server: RegistryServer) -> Iterator[ImageRegistry]:
    with ImageRegistry.at(server.address, {}) as opened:
        push_base(opened, STEP_IMAGE)
        yield opened


def test_a_projects_image_is_named_as_nodes_name_it_and_tagged_by_version_and_content(
    server: RegistryServer, registry: ImageRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project.yaml").write_text("name: payments\n")
    monkeypatch.setenv("NODES", "localhost:5000")
    target = Target(images="${NODES}", push=server.address)
    reference = project_image(tmp_path, "payments", target, CLUSTER)
    assert reference == project_image(tmp_path, "payments", target, CLUSTER)
    name, _, digest = reference.partition("@")
    assert name == "localhost:5000/payments-steps"
    image = registry.image("payments-steps", digest)
    assert image is not None
    execution = Configuration.model_validate_json(registry.blob("payments-steps", image.manifest.config)).config
    assert execution.labels is not None
    assert execution.labels["journey.project"] == "payments"
    tags = httpx.get(f"{registry.api}payments-steps/tags/list", trust_env=False, timeout=60).json()["tags"]
    assert [tag.rpartition("-")[0] for tag in tags] == [VERSION]


def test_a_target_without_a_registry_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="expected images:, the image registry that nodes pull from, found none"):
        project_image(tmp_path, "payments", Target(), CLUSTER)


@pytest.mark.parametrize(
    ("address", "environment", "api"),
    [
        ("registry.payments.svc:5000", {}, "https://cluster:6443/services/registry:5000/proxy/v2/"),
        ("registry.payments.svc.cluster.local:5000", {}, "https://cluster:6443/services/registry:5000/proxy/v2/"),
        ("registry.payments.svc:5000", {"JOURNEY_POD": "1"}, "http://registry.payments.svc:5000/v2/"),
        ("registry.other.svc:5000", {}, "http://registry.other.svc:5000/v2/"),
        ("registry.example", {}, "https://registry.example/v2/"),
        ("localhost:5000", {}, "http://localhost:5000/v2/"),
    ],
)
def test_a_service_of_the_clusters_namespace_is_reached_through_the_api_server_from_outside(address, environment, api) -> None:
    with registry_of(address, CLUSTER, environment) as registry:
        assert registry.api == api

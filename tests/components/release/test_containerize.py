"""Images out of a base and files, in a real registry."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.connections.image_registry import ImageRegistry
from components.oci import DOCKER_MANIFEST, OCI_MANIFEST, Configuration, digest_of
from components.release import additions
from components.release.additions import project_addition
from components.release.containerize import Addition, Named, containerize
from journey.errors import ProjectError, Unavailable
from tests.image_registry_server import RegistryServer, push_base, running_registry

BASE = Named("journey-serving", "0.1.0")
FILES = {"manifest.json": b"{}", "model.onnx": b"weights"}
BUNDLE = Addition("/opt/journey/bundle", FILES, {"journey.bundle": "abc"}, ("--bundle", "here"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def sent() -> list[str]:
    """What was written to the registry: method and path."""
    return []


@pytest.fixture
def registry(server: RegistryServer, sent: list[str]) -> Iterator[ImageRegistry]:
    def note(request: httpx.Request) -> None:
        if request.method not in ("GET", "HEAD"):
            sent.append(f"{request.method} {request.url.path}")

    client = httpx.Client(timeout=60, trust_env=False, event_hooks={"request": [note]})
    with ImageRegistry(server.address, f"http://{server.address}", client) as opened:
        push_base(opened)
        sent.clear()
        yield opened


def project(folder: Path, mode: int) -> Path:
    (folder / "tests").mkdir(parents=True)
    for name in ("project.yaml", "features.py", "tests/test_features.py"):
        (folder / name).write_text(f"# {name}\n")
        (folder / name).chmod(mode)
    (folder / ".journey").mkdir()
    (folder / ".journey" / "ledger.db").write_bytes(folder.name.encode())
    return folder


def test_the_same_files_in_two_folders_with_other_modes_and_times_are_the_same_image(registry: ImageRegistry, tmp_path: Path) -> None:
    one, two = project(tmp_path / "here", 0o600), project(tmp_path / "there", 0o755)
    target = Named("same-steps", "t")
    digests = [containerize(registry, BASE, target, project_addition("same", folder)) for folder in (one, two)]
    assert digests[0] == digests[1]
    (two / "features.py").write_text("# changed\n")
    assert containerize(registry, BASE, target, project_addition("same", two)) != digests[0]


def test_what_the_registry_has_is_not_sent_again(registry: ImageRegistry, sent: list[str]) -> None:
    first = containerize(registry, BASE, Named("twice", "v1"), BUNDLE)
    assert sent
    sent.clear()
    assert containerize(registry, BASE, Named("twice", "v1"), BUNDLE) == first
    assert sent == []
    assert containerize(registry, BASE, Named("twice", "v2"), BUNDLE) == first
    assert sent == ["PUT /v2/twice/manifests/v2"]


def test_the_bases_layers_are_mounted_and_only_layer_and_configuration_are_uploaded(registry: ImageRegistry, sent: list[str]) -> None:
    containerize(registry, BASE, Named("mounted", "v1"), BUNDLE)
    assert sum(line.startswith("PUT /v2/mounted/blobs/uploads/") for line in sent) == 2


@pytest.mark.parametrize("form", [DOCKER_MANIFEST, OCI_MANIFEST])
def test_an_image_is_its_base_with_one_layer_more_in_the_bases_form(registry: ImageRegistry, form: str) -> None:
    base = push_base(registry, "of-a-form", form)
    digest = containerize(registry, Named("of-a-form", "0.1.0"), Named("formed", "v1"), BUNDLE)
    made = registry.image("formed", digest)
    assert made is not None
    assert made.digest == digest
    assert made.manifest.media_type == form
    assert made.manifest.layers[:-1] == base.manifest.layers
    layer = registry.blob("formed", made.manifest.layers[-1])
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.extractfile("opt/journey/bundle/model.onnx").read() == b"weights"
    content = json.loads(registry.blob("formed", made.manifest.config))
    assert content["rootfs"]["diff_ids"][-1] == digest_of(layer)
    assert content["config"]["User"] == "65532:65532"
    assert content["config"]["Entrypoint"] == ["/serve"]
    assert content["config"]["Cmd"] == ["--bundle", "here"]
    assert content["config"]["Labels"] == {"of": "base", "journey.bundle": "abc", "org.opencontainers.image.base.digest": base.digest}
    assert content["docker_version"] == "20.10"
    assert content["created"] == "2026-01-02T03:04:05Z"
    assert len(content["history"]) == 2


def test_without_a_command_the_bases_stays(registry: ImageRegistry) -> None:
    digest = containerize(registry, BASE, Named("commanded", "v1"), Addition("/opt/x", {"a": b"1"}))
    made = registry.image("commanded", digest)
    assert made is not None
    assert Configuration.model_validate_json(registry.blob("commanded", made.manifest.config)).config.command == ["--help"]


def test_another_base_gives_another_digest(registry: ImageRegistry) -> None:
    digests = []
    for word in ("old", "new"):
        push_base(registry, "moving", word=word)
        digests.append(containerize(registry, Named("moving", "0.1.0"), Named("on-moving", "v1"), BUNDLE))
    assert digests[0] != digests[1]


def test_a_base_that_is_not_there_is_told_with_how_to_push_it(registry: ImageRegistry, sent: list[str]) -> None:
    with pytest.raises(Unavailable, match=r"the base image journey-serving:9\.9\.9, found no image .*`make images push-images"):
        containerize(registry, Named("journey-serving", "9.9.9"), Named("baseless", "v1"), BUNDLE)
    assert sent == []


def test_a_projects_files_without_what_is_hidden_are_its_addition(tmp_path: Path) -> None:
    found = project_addition("mine", project(tmp_path / "mine", 0o644))
    assert sorted(found.files) == ["features.py", "project.yaml", "tests/test_features.py"]
    assert found.folder == "/opt/journey/project"


def test_a_folder_with_too_much_in_it_is_refused_with_the_largest_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(additions, "LIMIT_BYTES", 3 << 20)
    folder = project(tmp_path / "large", 0o644)
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_bytes(bytes(5 << 20))
    with pytest.raises(ProjectError, match=r"at most 3 MiB .* found 5\.0 MiB; the largest is data/rows\.csv with 5\.0 MiB\. Move data out"):
        project_addition("large", folder)


def test_a_file_that_is_a_link_to_nowhere_is_refused_by_name(tmp_path: Path) -> None:
    folder = project(tmp_path / "linked", 0o644)
    (folder / "rows.csv").symlink_to("nowhere.csv")
    with pytest.raises(ProjectError, match=r"rows\.csv: expected a file that can be read, found: No such file"):
        project_addition("linked", folder)

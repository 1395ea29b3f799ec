"""Which key the package step signs with, and what the containerize step leaves behind."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import components.release.package
from components.connections.image_registry import ImageRegistry
from components.image import SERVING_IMAGE
from components.oci import Configuration
from components.release.component import containerize_model, package_model
from components.release.package import Material, package
from journey.clock import clock_of
from journey.errors import DataError, Untrusted
from journey.model.canonical import loads
from journey.model.keys import SigningKey
from journey.records.entries import Registration
from journey.records.ledger import Ledger
from tests.image_registry_server import push_base, running_registry

NOTHING = SimpleNamespace(path="nowhere", metadata={})


def packaged(key_id: str) -> None:
    artifacts = dict.fromkeys(("raw", "curated", "frame", "model", "choice", "bundle"), NOTHING)
    package_model.python_func(plan={}, contract={}, code="", key_id=key_id, **artifacts)


def test_the_key_that_the_run_was_started_for_signs_and_where_none_is_named_the_installations_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JOURNEY_HOME", str(tmp_path))
    monkeypatch.setenv("JOURNEY_PROJECT", str(tmp_path))
    with pytest.raises(Untrusted, match="expected the signing key 0123456789abcdef"):
        packaged("0123456789abcdef")
    with pytest.raises(ValueError, match="PackagePlan"):        # it goes on to read the plan, which is empty here
        packaged("")


def test_a_version_becomes_an_image_that_the_ledger_knows_by_digest_the_same_each_time(
    material_of: Callable[..., Material], signer: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEY_HOME", str(tmp_path))
    bundle = tmp_path / "bundle"
    digest = package(material_of("logistic"), bundle, signer).digest
    ledger = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    now = clock_of({}).now()
    version = ledger.register_version(Registration("payments", digest, str(bundle), "r", ("", ""), now, "test"))
    artifact = SimpleNamespace(path=str(bundle), metadata={})
    with running_registry(tmp_path / "registry") as server, ImageRegistry.at(server.address, {}) as registry:
        push_base(registry, SERVING_IMAGE)
        where = {"images": "localhost:5000", "push": server.address}
        given = {"name": "payments", "version": version, "registry": where, "records": {}, "bundle": artifact}
        made = [containerize_model.python_func(**given)[0] for _ in range(2)]
        assert made[0] == made[1] == ledger.image("payments", version)
        name, _, reference = made[0].partition("@")
        assert name == "localhost:5000/payments"
        assert registry.has_image("payments", f"v{version}", reference)
        image = registry.image("payments", reference)
        assert image is not None
        execution = Configuration.model_validate_json(registry.blob("payments", image.manifest.config)).config
        assert execution.command == ["--bundle", "/opt/journey/bundle", "--model", "payments"]
        assert execution.labels is not None
        assert execution.labels["journey.bundle"] == digest
    ledger.close()


def test_a_model_that_the_servers_image_cannot_run_gets_no_image(
    material_of: Callable[..., Material], signer: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    other, real = loads(material_of("hist_gradient_boosting").model), components.release.package.to_onnx
    monkeypatch.setattr(components.release.package, "to_onnx", lambda pipeline, schema: real(other, schema))
    assert package(material_of("logistic"), tmp_path / "bundle", signer).engine == "skops"
    artifact = SimpleNamespace(path=str(tmp_path / "bundle"), metadata={})
    made = containerize_model.python_func(name="payments", version=1, registry={"images": "localhost:1"}, records={}, bundle=artifact)
    assert made == ("",)
    assert "no image, because journey-serving runs models in ONNX alone" in capsys.readouterr().out


def test_without_a_bundle_no_image_is_made(tmp_path: Path) -> None:
    nothing = SimpleNamespace(path=str(tmp_path), metadata={})
    with pytest.raises(DataError, match="expected a folder with"):
        containerize_model.python_func(name="payments", version=1, registry={"images": "localhost:1"}, records={}, bundle=nothing)

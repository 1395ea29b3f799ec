"""What a step did beside its artifacts is looked for before the step is taken from the cache."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.connections.image_registry import ImageRegistry
from components.release.containerize import Addition, Named, containerize
from journey.project import Target
from journey.records.entries import Registration
from journey.records.ledger import Ledger
from pipelines.standing import Standing
from tests.image_registry_server import RegistryServer, push_base, running_registry

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BASE, IMAGE = Named("journey-serving", "0.1.0"), Named("visits", "v1")


@pytest.fixture
def ledger(tmp_path: Path):
    ledger = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    ledger.register_version(Registration("visits", "aa", str(tmp_path / "kept"), "one", (None, None), NOW, "test"))
    yield ledger
    ledger.close()


@pytest.fixture
def server(tmp_path: Path):
    with running_registry(tmp_path / "registry") as server:
        yield server


def made(server: RegistryServer, ledger: Ledger) -> str:
    """An image of version 1 on top of the base, recorded."""
    with ImageRegistry.at(server.address, {}) as registry:
        digest = containerize(registry, BASE, IMAGE, Addition("/opt/journey/bundle", {"manifest.json": b"{}"}))
    reference = f"localhost:5000/visits@{digest}"
    ledger.record_image("visits", 1, reference, NOW)
    return reference


def test_an_image_stands_while_ledger_and_registry_have_it_on_the_base_of_today(server, ledger):
    target = Target(images="localhost:5000", push=server.address)
    standing = Standing(ledger, "visits", target)
    with ImageRegistry.at(server.address, {}) as registry:
        push_base(registry)
    reference = made(server, ledger)
    assert standing.holds("containerize-model", {"image": reference})
    assert not standing.holds("containerize-model", {"image": reference.replace("sha256:", "sha256:0")}), "the ledger names another"
    with ImageRegistry.at(server.address, {}) as registry:
        push_base(registry, word="the server's code of tomorrow")
    assert not standing.holds("containerize-model", {"image": reference}), "the base has changed"
    assert standing.holds("containerize-model", {"image": made(server, ledger)})


def test_a_model_that_gets_no_image_never_had_one_to_lose(ledger):
    assert Standing(ledger, "visits", Target(images="localhost:1")).holds("containerize-model", {"image": ""})


def test_an_image_that_the_registry_lost_is_made_anew(server, ledger, tmp_path):
    with ImageRegistry.at(server.address, {}) as registry:
        push_base(registry)
    reference = made(server, ledger)
    with running_registry(tmp_path / "another") as empty:
        assert not Standing(ledger, "visits", Target(images=empty.address)).holds("containerize-model", {"image": reference})


def test_a_registry_that_is_away_is_for_the_step_to_tell_of(ledger):
    ledger.record_image("visits", 1, "localhost:5000/visits@sha256:00", NOW)
    away = Standing(ledger, "visits", Target(images="127.0.0.1:9"))
    assert not away.holds("containerize-model", {"image": "localhost:5000/visits@sha256:00"})

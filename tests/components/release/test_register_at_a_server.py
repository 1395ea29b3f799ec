"""Registering at a real MLflow server, with kills in between: it has the files and knows no path of ours."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.operations.promote import Promoter
from components.release.register import Lineage, Records, register
from journey.errors import DataError, ProjectError, Unavailable, Untrusted
from journey.model.bundle import bundle_digest
from journey.model.keys import Trusted
from journey.places import Places
from journey.records import candidates, registry
from journey.records.entries import PromotionRequest
from journey.records.ledger import Ledger
from journey.records.registry import Registry
from journey.targets import Target
from tests.mlflow_server import running_mlflow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENT = "2026-03-01T03:00:00"
ROWS = pd.DataFrame({"amount": [2500, 100], "channel": ["online", "phone"], "paid_at": [MOMENT, MOMENT], "card_id": ["c1", "c2"]})
KILLS = [(candidates, "log_row", True), (registry, "upload", False), (registry, "upload", True), (Ledger, "register_version", False)]
pytestmark = [
    pytest.mark.acceptance,         # a server of MLflow's takes longer to start than most folders of tests to run
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::FutureWarning", "ignore:.*AnyType:UserWarning"
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's own folder."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[str]:
    with running_mlflow(store) as uri:
        yield uri


@pytest.fixture
def records(bundles: Path, tmp_path: Path, server: str) -> Iterator[Records]:
    ledger = Ledger.connect(f"sqlite:///{tmp_path / 'home'}/ledger.db")
    yield Records(ledger, Registry.at(tmp_path / "home", server), Trusted.of(bundles / "keys"))
    ledger.close()


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    """A name of the test's own: the server is one for all."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


@pytest.fixture
def client(server: str) -> object:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server, registry_uri=server)


def load(server: str, model: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> object:
    """What a laptop loads that knows the server, and the keys of the project in whose folder it works."""
    import mlflow

    for name in ("JOURNEY_HOME", "JOURNEY_KEYS", "JOURNEY_ONLINE_STORE", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.chdir(folder)
    return mlflow.pyfunc.load_model(f"models:/{model}@champion")


def test_a_version_is_loaded_through_the_server_alone(
    bundles: Path, records: Records, made: Lineage, model: str, server: str, client: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registered = register(model, bundles / "one", made, records)
    places = Places(Target(registry="${MLFLOW_URL}"), tmp_path / "home", {"MLFLOW_URL": server})
    Promoter(records.ledger, places).promote(PromotionRequest(model, 1, 0, "ada", "the first", NOON))
    found = client.get_model_version_by_alias(model, "champion")
    assert found.tags["journey.bundle"] == registered.digest
    assert found.source.startswith("mlflow-artifacts:/")
    assert str(tmp_path) not in client.get_experiment_by_name(model).artifact_location
    kept = Path(records.ledger.version(model, 1).uri)
    assert kept.is_relative_to(tmp_path / "home" / "mlflow" / "versions")
    assert not (tmp_path / "home" / "mlflow" / "mlflow.db").exists()
    shutil.rmtree(kept)
    laptop = tmp_path / "laptop"
    shutil.copytree(bundles / "keys", laptop / ".journey" / "keys")
    with pytest.warns(UserWarning, match="JOURNEY_ONLINE_STORE"):
        loaded = load(server, model, monkeypatch, laptop)
    predictions = loaded.predict(ROWS)
    np.testing.assert_allclose(predictions.sum(axis=1), 1.0)


def test_whose_keys_are_not_trusted_is_not_loaded(
    bundles: Path, records: Records, made: Lineage, model: str, server: str, client: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(model, bundles / "one", made, records)
    client.set_registered_model_alias(model, "champion", "1")
    with pytest.raises(Untrusted, match="expected a signature by a trusted key"):
        load(server, model, monkeypatch, tmp_path)


def test_a_known_bundle_gives_its_version_again_and_nothing_is_doubled(
    bundles: Path, records: Records, made: Lineage, model: str, client: object
) -> None:
    assert [register(model, bundles / name, made, records).version for name in ("one", "one", "two", "one")] == [1, 1, 2, 1]
    assert len(client.search_model_versions(f"name = '{model}'")) == 2
    runs = client.search_runs([client.get_experiment_by_name(model).experiment_id])
    assert len(runs) == 6                         # three candidates a bundle


@pytest.mark.parametrize("kill", KILLS, ids=[f"{name}-{'after' if after else 'before'}" for _, name, after in KILLS])
def test_killed_anywhere_the_next_call_leaves_one_whole_version(
    bundles: Path,
    records: Records,
    made: Lineage,
    model: str,
    client: object,
    monkeypatch: pytest.MonkeyPatch,
    kill: tuple[object, str, bool],
) -> None:
    owner, name, after = kill
    real = getattr(owner, name)

    def killed(*arguments: object, **named: object) -> None:
        if after:
            real(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        with pytest.raises(KeyboardInterrupt):
            register(model, bundles / "one", made, records)
    again = replace(records, registry=Registry(records.registry.folder, records.registry.server))
    assert register(model, bundles / "one", made, again).version == 1
    (version,) = client.search_model_versions(f"name = '{model}'")
    assert downloaded_digest(version, client) == records.ledger.version(model, 1).bundle
    assert len(client.search_runs([client.get_experiment_by_name(model).experiment_id])) == 3


def test_files_that_were_lost_or_cut_short_on_the_server_are_given_again(
    bundles: Path, records: Records, made: Lineage, model: str, client: object, store: Path
) -> None:
    digest = register(model, bundles / "one", made, records).digest
    (version,) = client.search_model_versions(f"name = '{model}'")
    folder = store / "artifacts" / version.source.removeprefix("mlflow-artifacts:/")
    (folder / "MLmodel").unlink()
    (folder / "bundle" / "model.onnx").write_bytes(b"half")
    register(model, bundles / "one", made, records)
    assert downloaded_digest(version, client) == digest
    assert (folder / "MLmodel").is_file()
    assert (folder / "bundle" / "model.onnx").read_bytes() == (bundles / "one" / "model.onnx").read_bytes()


def downloaded_digest(version: object, client: object) -> str:
    return bundle_digest(Path(client.download_artifacts(version.run_id, "version/bundle")))


def test_a_server_that_does_not_answer_is_named_without_its_password(
    bundles: Path, records: Records, made: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = replace(records, registry=Registry(records.registry.folder, "http://ada:planted-secret@127.0.0.1:1"))
    with pytest.raises(Unavailable, match=r"registry http://127\.0\.0\.1:1: expected MLflow's server to answer, found .*Look") as raised:
        register("payments", bundles / "one", made, away)
    assert "planted-secret" not in str(raised.value)
    assert records.ledger.versions("payments") == ()


def test_a_name_that_the_server_refuses_is_told_of(bundles: Path, records: Records, made: Lineage) -> None:
    with pytest.raises(DataError, match="expected a name that MLflow accepts"):
        register("with/a/slash", bundles / "one", made, records)


def test_another_kind_of_place_is_refused() -> None:
    with pytest.raises(ProjectError, match="registry: expected an http:// or https:// URL"):
        Registry.at(Path(), "sqlite:///secret.db")

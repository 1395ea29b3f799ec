"""Registering in a real MLflow store and a real ledger, with kills in between."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.operations.promote import Promoter
from components.release.register import Lineage, Records, register
from journey.errors import DataError, Untrusted
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.places import Places
from journey.records import candidates, registry
from journey.records.entries import PromotionRequest
from journey.records.ledger import Ledger
from journey.records.registry import Registry
from journey.targets import Target

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def records(bundles: Path, tmp_path: Path) -> Iterator[Records]:
    ledger = Ledger.connect(f"sqlite:///{tmp_path / 'home'}/ledger.db")
    yield Records(ledger, Registry.at(tmp_path / "home"), Trusted.of(bundles / "keys"))
    ledger.close()


def mlflow_client(records: Records) -> object:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=records.registry.uri, registry_uri=records.registry.uri)


def test_a_version_stands_in_ledger_and_mlflow_with_its_lineage(bundles: Path, records: Records, made: Lineage) -> None:
    registered = register("payments", bundles / "one", made, records)
    assert registered.version == 1
    version = records.ledger.version("payments", 1)
    assert (version.bundle, version.run, version.trained_on) == (registered.digest, "run-1", made.choice.trained_on)
    assert open_bundle(Path(version.uri), records.trusted).digest == registered.digest
    found = mlflow_client(records).get_model_version_by_alias("payments", "challenger")
    assert found.tags["journey.bundle"] == registered.digest
    assert found.tags["journey.version"] == "1"
    assert found.tags["test.roc_auc"] == "0.800000 [0.700000, 0.900000]"
    assert found.tags["gate.roc_auc"].startswith("passed")
    assert records.ledger.current("payments", "challenger").version == 1


def test_each_candidate_and_trial_is_one_run_however_often_it_is_registered(bundles: Path, records: Records, made: Lineage) -> None:
    for _ in range(2):
        register("payments", bundles / "one", made, records)
    client = mlflow_client(records)
    runs = client.search_runs([client.get_experiment_by_name("payments").experiment_id])
    assert sorted((run.info.run_name, run.data.params["C"], run.data.tags["journey.chosen"]) for run in runs) == [
        ("dummy", "0.5", "false"),
        ("logistic", "0.5", "false"),
        ("logistic", "2.0", "true"),
    ]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [metric.value for metric in client.get_metric_history(runs[-1].info.run_id, "fold_roc_auc")] == [0.7, 0.8]
    chosen = next(run for run in runs if run.data.tags["journey.chosen"] == "true")
    assert client.get_model_version("payments", "1").run_id == chosen.info.run_id


def test_a_known_bundle_gives_its_version_again_and_another_the_next(bundles: Path, records: Records, made: Lineage) -> None:
    versions = [register("payments", bundles / name, made, records).version for name in ("one", "two", "one")]
    assert versions == [1, 2, 1]
    assert len(mlflow_client(records).search_model_versions("name = 'payments'")) == 2


KILLS = [
    (Registry, "keep"),
    (registry, "log_candidates"),
    (candidates, "log_row"),
    (Registry, "_ensure_model"),
    (Registry, "_tag"),
    (Registry, "follow"),
    (Ledger, "register_version"),
    (Ledger, "promote"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), KILLS, ids=[name for _, name in KILLS])
def test_killed_anywhere_the_next_call_leaves_one_version(
    bundles: Path, records: Records, made: Lineage, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, after: bool
) -> None:
    real = getattr(owner, name)

    def killed(*arguments: object, **named: object) -> None:
        if after:
            real(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        with pytest.raises(KeyboardInterrupt):
            register("payments", bundles / "one", made, records)
    again = replace(records, registry=Registry(records.registry.folder))
    assert register("payments", bundles / "one", made, again).version == 1
    client = mlflow_client(records)
    assert [version.tags["journey.bundle"] for version in client.search_model_versions("name = 'payments'")] == [
        records.ledger.version("payments", 1).bundle
    ]
    assert len(client.search_runs([client.get_experiment_by_name("payments").experiment_id])) == 3
    assert len(records.ledger.versions("payments")) == 1
    assert records.ledger.verify_audit() == 2


def test_a_bundle_that_was_tampered_with_is_not_registered(bundles: Path, records: Records, made: Lineage, tmp_path: Path) -> None:
    import shutil

    tampered = tmp_path / "tampered"
    shutil.copytree(bundles / "one", tampered)
    (tampered / "model.onnx").write_bytes(b"evil")
    with pytest.raises(Untrusted, match=r"expected model.onnx with SHA-256"):
        register("payments", tampered, made, records)
    with pytest.raises(Untrusted, match="expected a signature by a trusted key"):
        register("payments", bundles / "one", made, replace(records, trusted=Trusted({})))
    assert records.ledger.versions("payments") == ()
    assert not records.registry.folder.exists()


def test_a_kept_bundle_that_was_damaged_is_made_good_by_registering_again(bundles: Path, records: Records, made: Lineage) -> None:
    register("payments", bundles / "one", made, records)
    kept = Path(records.ledger.version("payments", 1).uri)
    (kept / "card.md").write_bytes(b"lies")
    register("payments", bundles / "one", made, records)
    assert open_bundle(kept, records.trusted).read("card.md") == (bundles / "one" / "card.md").read_bytes()


def test_mlflow_follows_promotion_retirement_and_rollback(bundles: Path, records: Records, made: Lineage) -> None:
    for name in ("one", "two"):
        register("payments", bundles / name, made, records)
    promoter = Promoter(records.ledger, Places(Target(), records.registry.folder.parent, {}))
    client = mlflow_client(records)
    first = promoter.promote(PromotionRequest("payments", 1, 0, "ada", "the first", NOON))
    assert client.get_registered_model("payments").aliases == {"champion": 1, "challenger": 2}
    promoter.promote(PromotionRequest("payments", 2, first.seq, "trigger", "better", NOON))
    assert client.get_registered_model("payments").aliases == {"champion": 2}
    assert client.get_model_version("payments", "1").tags["retired"] == NOON.isoformat()
    assert promoter.rollback("payments", "ada", "worse", NOON).version == 1
    assert client.get_registered_model("payments").aliases == {"champion": 1}
    assert "retired" not in client.get_model_version("payments", "1").tags
    assert "retired" in client.get_model_version("payments", "2").tags
    with pytest.raises(DataError, match="found none"):
        promoter.rollback("payments", "ada", "even worse", NOON)
    assert records.ledger.verify_audit() == len(records.ledger.audit_trail())

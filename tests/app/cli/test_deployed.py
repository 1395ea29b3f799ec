"""promote, rollback and status in a pod, where a Deployment follows the ledger."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli.main import main
from components.connections.cluster import Cluster
from components.operations import deployment
from components.operations.promote import Promoter
from journey.model.bundle import bundle_digest, write_bundle
from journey.model.keys import SigningKey
from journey.records.entries import PromotionRequest, Registration
from journey.records.ledger import Ledger
from tests.components.operations.deployments import SmallCluster
from tests.income import content, on_a_cluster

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> SmallCluster:
    made = SmallCluster()
    monkeypatch.setattr(Cluster, "connect", lambda namespace: {"ours": made}[namespace])
    monkeypatch.setattr(deployment, "POLL_SECONDS", 0.001)
    return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two versions, the first as an image too, seen from a pod."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    given = {"JOURNEY_POD": "1", "LEDGER_URL": url, "MLFLOW_URL": "http://127.0.0.1:9", "JOURNEY_KEYS": str(tmp_path / "keys")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Promoter, "_follow", lambda self, registry, model: None)      # MLflow's own tests hold it
    (tmp_path / "project.yaml").write_text(on_a_cluster("ours", ", serving: deployment"))
    ledger = Ledger.connect(url)
    for number in (1, 2):
        bundle = tmp_path / "bundles" / str(number)
        write_bundle(bundle, content(number), SigningKey.load_or_create(tmp_path / "keys"))
        ledger.register_version(Registration("income", bundle_digest(bundle), str(bundle), "run", (None, None), NOON, "register"))
        ledger.record_image("income", number, f"localhost:5000/income@sha256:{number}", NOON)
    ledger.close()
    return tmp_path


def typed(*words: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_promote_serves_the_version_and_rollback_the_one_before(project, cluster, capsys):
    assert typed("promote", "1", "-p", project, "--target", "kind") == 0
    assert capsys.readouterr().out.splitlines() == [
        "income version 1 is champion (promotion 1)",
        "income version 1 answers: 1 pod of localhost:5000/income@sha256:1",
    ]
    assert typed("promote", "2", "-p", project, "--target", "kind", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["deployed"]["version"], told["deployed"]["replicas"]) == (2, 2, 1)
    assert typed("rollback", "-p", project, "--target", "kind") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "income version 1 answers: 1 pod of localhost:5000/income@sha256:1"


def test_a_rollout_that_fails_is_exit_code_1_and_the_ledger_keeps_the_promotion(project, cluster, capsys):
    typed("promote", "1", "-p", project, "--target", "kind")
    cluster.fates["localhost:5000/income@sha256:2"] = {"waiting": {"reason": "InvalidImageName", "message": "what a name"}}
    assert typed("promote", "2", "-p", project, "--target", "kind") == 1
    said = capsys.readouterr()
    assert "income version 2 is champion in place of version 1" in said.out
    assert "Meanwhile version 1 goes on answering. `journey rollback --target kind` goes back" in said.err
    assert typed("status", "-p", project, "--target", "kind") == 0
    first, second, third, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("income: version 2 is champion since")
    assert second == "server: version 1 answers, 1 of 1 pods ready; version 2 rolls out"
    assert "InvalidImageName: what a name" in third


def test_a_version_without_an_image_is_not_promoted_where_a_deployment_serves(project, cluster, capsys):
    ledger = Ledger.connect(f"sqlite:///{project}/ledger.db")
    bundle = project / "bundles" / "3"
    write_bundle(bundle, content(3), SigningKey.load_or_create(project / "keys"))
    ledger.register_version(Registration("income", bundle_digest(bundle), str(bundle), "run", (None, None), NOON, "register"))
    assert typed("promote", "3", "-p", project, "--target", "kind") == 1
    assert "version 3 of income: expected an image that serves it, found none" in capsys.readouterr().err
    assert ledger.current("income") is None
    ledger.promote(PromotionRequest("income", 3, 0, "ada", "from before the target had a Deployment", NOON))
    ledger.promote(PromotionRequest("income", 1, 1, "ada", "better", NOON))
    assert typed("rollback", "-p", project, "--target", "kind") == 1
    assert "version 3 of income: expected an image that serves it, found none" in capsys.readouterr().err
    assert ledger.current("income").version == 1, "nor is it rolled back to"
    ledger.close()


def test_status_says_nothing_of_a_server_before_there_is_one(project, cluster, capsys):
    assert typed("status", "-p", project, "--target", "kind", "--json") == 0
    assert json.loads(capsys.readouterr().out)["server"] is None
    assert typed("status", "-p", project, "--target", "kind") == 0
    assert "server:" not in capsys.readouterr().out

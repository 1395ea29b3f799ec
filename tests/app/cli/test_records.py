"""promote, rollback, retire, status and audit, as a person types them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli.main import main
from journey.model.bundle import bundle_digest, write_bundle
from journey.model.keys import SigningKey
from journey.records.entries import Registration
from journey.records.ledger import Ledger
from tests.income import PROJECT, content
from tests.postgres import Postgres

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two versions, as if it had been run twice."""
    monkeypatch.setenv("JOURNEY_CLOCK", "2026-03-02T00:00:00+00:00@0x1")
    monkeypatch.delenv("JOURNEY_HOME", raising=False)
    (tmp_path / "project.yaml").write_text(PROJECT)
    home = tmp_path / ".journey"
    ledger = Ledger.connect(f"sqlite:///{home}/ledger.db")
    for number in (1, 2):
        bundle = home / "bundles" / str(number)
        write_bundle(bundle, content(number), SigningKey.load_or_create(home / "keys"))
        ledger.register_version(Registration("income", bundle_digest(bundle), str(bundle), f"run-{number}", (None, None), NOON, "register"))
    ledger.close()
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command prints; the exit code must be 0."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_the_newest_version_is_promoted_and_rolled_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no version answers yet" in typed(capsys, "status", "-p", project)
    assert typed(capsys, "promote", 1, "-p", project) == "income version 1 is champion (promotion 1)\n"
    assert typed(capsys, "promote", "-p", project) == "income version 2 is champion in place of version 1 (promotion 2)\n"
    assert "retired" in typed(capsys, "status", "-p", project)
    assert typed(capsys, "rollback", "-p", project, "--reason", "complaints") == (
        "income version 1 is champion again in place of version 2 (promotion 3)\n"
    )
    standing = json.loads(typed(capsys, "status", "-p", project, "--json"))
    assert (standing["model"], standing["champion"]["version"], standing["champion"]["reason"]) == ("income", 1, "complaints")
    assert [version["retired"] is None for version in standing["versions"]] == [True, False]


def test_a_promotion_that_somebody_else_overtook_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed(capsys, "promote", 1, "-p", project)
    assert "Somebody else was first" in refused(capsys, "promote", 2, "-p", project, "--replaces", 0)


def test_a_tampered_bundle_is_not_promoted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".journey" / "bundles" / "2" / "card.md").write_text("lies")
    assert "expected card.md with SHA-256" in refused(capsys, "promote", 2, "-p", project)


def test_a_retired_version_is_not_promoted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "retire", 2, "-p", project).startswith("income version 2 is retired since ")
    assert "is retired" in refused(capsys, "promote", 2, "-p", project)
    assert typed(capsys, "promote", "-p", project) == "income version 1 is champion (promotion 1)\n"


def test_the_audit_log_is_shown_once_it_holds(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed(capsys, "promote", 1, "-p", project, "--reason", "the first")
    lines = typed(capsys, "audit", "-p", project).splitlines()
    assert [line.split("  ")[1] for line in lines] == ["register", "register", "promote champion"]
    assert lines[-1].endswith("the first")
    assert json.loads(typed(capsys, "audit", "-p", project, "--json"))["verified"] == 3


def test_a_target_with_a_ledger_of_its_own_leaves_that_of_the_home_alone(
    project: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.database()
    monkeypatch.setenv("LEDGER_URL", url)
    (project / "project.yaml").write_text(PROJECT + 'targets: {local: {ledger: "${LEDGER_URL}"}}\n')
    ledger, bundle = Ledger.connect(url), project / ".journey" / "bundles" / "1"
    ledger.register_version(Registration("income", bundle_digest(bundle), str(bundle), "run-1", (None, None), NOON, "register"))
    assert typed(capsys, "promote", "-p", project) == "income version 1 is champion (promotion 1)\n"
    assert json.loads(typed(capsys, "audit", "-p", project, "--json"))["verified"] == ledger.verify_audit() == 2
    ledger.close()
    home = Ledger.connect(f"sqlite:///{project}/.journey/ledger.db")
    assert home.current("income") is None
    home.close()


def test_before_the_first_run_people_are_told_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT)
    assert "`journey run -p" in refused(capsys, "status", "-p", tmp_path)

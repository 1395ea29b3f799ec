"""Promote, roll back and retire on a real ledger."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.operations.promote import Promoter
from journey.errors import Conflict, DataError, ProjectError
from journey.places import Places
from journey.records.entries import Promotion, PromotionRequest, Registration, Retirement
from journey.records.ledger import Ledger
from journey.targets import Target

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def promoter(tmp_path: Path) -> Iterator[Promoter]:
    ledger = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    for number in range(1, 5):
        ledger.register_version(Registration("income", f"bundle-{number}", f"/b/{number}", "run", (None, None), NOON, "register"))
    yield Promoter(ledger, Places(Target(), tmp_path, {}))
    ledger.close()


def champion(promoter: Promoter, version: int) -> Promotion:
    seen = promoter.ledger.current("income")
    replaces = seen.seq if seen else 0
    return promoter.promote(PromotionRequest("income", version, replaces, "trigger", "better", NOON, evidence={"over_champion": 0.1}))


def retired(promoter: Promoter) -> list[int]:
    return [version.version for version in promoter.ledger.versions("income") if version.retired]


def test_the_champion_that_is_replaced_is_retired_with_the_reason(promoter: Promoter) -> None:
    champion(promoter, 1)
    champion(promoter, 2)
    assert retired(promoter) == [1]
    entry = promoter.ledger.audit_trail("income")[-1]
    assert (entry.action, entry.version, entry.reason) == ("retire", 1, "replaced by version 2: better")
    assert promoter.ledger.verify_audit() == 7


def test_promoting_the_champion_again_retires_nobody(promoter: Promoter) -> None:
    champion(promoter, 1)
    champion(promoter, 1)
    assert retired(promoter) == []


def test_a_challenger_retires_nobody(promoter: Promoter) -> None:
    promoter.promote(PromotionRequest("income", 1, 0, "ada", "try", NOON, role="challenger"))
    promoter.promote(PromotionRequest("income", 2, 1, "ada", "try", NOON, role="challenger"))
    assert retired(promoter) == []


def test_rolling_back_goes_back_one_version_each_time(promoter: Promoter) -> None:
    for version in (1, 2, 3):
        champion(promoter, version)
    assert promoter.rollback("income", "ada", "worse", NOON).version == 2
    assert promoter.rollback("income", "ada", "still worse", NOON).version == 1
    assert retired(promoter) == [2, 3]
    with pytest.raises(DataError, match="expected a version that was champion before, found none"):
        promoter.rollback("income", "ada", "what else", NOON)


def test_after_a_rollback_the_next_champion_can_be_rolled_back_too(promoter: Promoter) -> None:
    for version in (1, 2):
        champion(promoter, version)
    promoter.rollback("income", "ada", "worse", NOON)
    champion(promoter, 3)
    assert promoter.rollback("income", "ada", "worse", NOON).version == 1


def test_without_a_champion_there_is_nothing_to_roll_back_to(promoter: Promoter) -> None:
    with pytest.raises(DataError, match="found none"):
        promoter.rollback("income", "ada", "why not", NOON)


def test_of_promoters_that_saw_the_same_champion_one_wins(promoter: Promoter) -> None:
    seen = champion(promoter, 1)
    start, outcomes = threading.Barrier(3), []

    def race(version: int) -> None:
        start.wait()
        try:
            outcomes.append(promoter.promote(PromotionRequest("income", version, seen.seq, "trigger", "better", NOON)).version)
        except Conflict:
            outcomes.append(None)

    racers = [threading.Thread(target=race, args=(version,)) for version in (2, 3, 4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcome is None for outcome in outcomes) == [False, True, True]
    winner = next(outcome for outcome in outcomes if outcome)
    assert promoter.ledger.current("income").version == winner
    assert retired(promoter) == [1]


def test_a_champion_is_not_retired(promoter: Promoter) -> None:
    champion(promoter, 1)
    with pytest.raises(Conflict, match="found the champion 1"):
        promoter.retire(Retirement("income", 1, "ada", "old", NOON))
    assert promoter.retire(Retirement("income", 2, "ada", "never used", NOON)).retired == NOON


def test_a_promotion_stands_though_mlflow_is_away(
    promoter: Promoter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    places = replace(promoter.places, target=Target(registry="${MLFLOW_URL}"), environment={"MLFLOW_URL": "http://127.0.0.1:1"})
    promotion = replace(promoter, places=places).promote(PromotionRequest("income", 1, 0, "ada", "better", NOON))
    assert promoter.ledger.current("income") == promotion
    assert "MLflow's aliases follow with the next one: registry http://127.0.0.1:1: expected MLflow's server to answer" in caplog.text


@pytest.mark.parametrize(
    ("registry", "said"), [("${MLFLOW_URL}", "MLFLOW_URL to be set"), ("sqlite:///mlflow.db", "expected an http:// or https:// URL")]
)
def test_a_registry_that_can_be_none_is_told_of_before_anything_is_changed(promoter: Promoter, registry: str, said: str) -> None:
    champion(promoter, 1)
    before = promoter.ledger.audit_trail("income")
    wrong = replace(promoter, places=replace(promoter.places, target=Target(registry=registry)))
    for change in (
        lambda: wrong.promote(PromotionRequest("income", 2, 1, "ada", "better", NOON)),
        lambda: wrong.retire(Retirement("income", 2, "ada", "old", NOON)),
    ):
        with pytest.raises(ProjectError, match=said):
            change()
    assert promoter.ledger.audit_trail("income") == before

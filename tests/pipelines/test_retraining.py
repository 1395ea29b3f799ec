"""A retraining's way through its states, and every way in which it may end."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import pipelines.retraining
from components.operations.retrain import Asked, Policy
from journey.clock import Clock
from journey.errors import DataError, Unavailable
from journey.records.entries import Promotion, PromotionRequest, Registration, Retraining, RunState
from journey.records.ledger import Ledger
from pipelines.retraining import Retrainer, Trained, run_name

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = Asked("m", 1, "drift", NOON)
SCALE = 36_000.0            # an hour of platform time in a tenth of a second


@dataclass
class Apprentice:
    """Finds ever more rows and ends as it is told."""

    ledger: Ledger
    state: RunState = "done"
    rows: list[int] = field(default_factory=lambda: [500])
    before: Callable[[], None] = lambda: None
    look: Callable[[], object] = lambda: None
    looked: list[datetime | None] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    concluded: list[int] = field(default_factory=list)

    def fresh_rows(self, onset: datetime | None) -> int:
        self.looked.append(onset)
        self.look()
        return self.rows.pop(0)

    def train(self, run: str, onset: datetime | None) -> Trained:
        self.trained.append(run)
        if self.state != "done":
            return Trained(run, self.state, error="roc_auc below its gate")
        version = self.ledger.register_version(Registration("m", run, "uri", run, (None, None), NOON, "test"))
        return Trained(run, "done", version)

    def promote(self, request: Retraining, trained: Trained, replaced: Promotion | None) -> Promotion:
        self.before()
        assert trained.version is not None
        assert replaced is not None
        return self.ledger.promote(PromotionRequest("m", trained.version, replaced.seq, "trigger", "better", NOON))

    def conclude(self, request: Retraining, promotion: Promotion) -> None:
        self.concluded.append(promotion.version)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    for name in ("first", "other"):
        made.register_version(Registration("m", name, "uri", name, (None, None), NOON, "test"))
    made.promote(PromotionRequest("m", 1, 0, "test", "first", NOON))
    yield made
    made.close()


def retrainer(ledger: Ledger, trainer: Apprentice) -> Retrainer:
    return Retrainer(ledger, "m", Policy(timedelta(hours=6), 4, 500), timedelta(hours=1), Clock(NOON, time.time(), SCALE), trainer)


def worked(one: Retrainer) -> Retraining:
    """The model's only retraining once it is finished."""
    stop, wake = threading.Event(), threading.Event()
    worker = threading.Thread(target=one.work, args=(stop, wake))
    worker.start()
    end = time.monotonic() + 60
    while one.ledger.retrainings("m")[0].state not in ("promoted", "kept", "failed") and time.monotonic() < end:
        time.sleep(0.01)
    stop.set()
    wake.set()
    worker.join(60)
    (found,) = one.ledger.retrainings("m")
    return found


def test_it_waits_from_refresh_to_refresh_until_there_are_rows_then_trains_and_promotes(ledger: Ledger) -> None:
    trainer = Apprentice(ledger, rows=[0, 499, 500])
    one = retrainer(ledger, trainer)
    assert one.ask(ASKED).accepted
    begun = time.monotonic()
    found = worked(one)
    assert (found.state, found.reason) == ("promoted", "version 3 in place of version 1")
    assert trainer.looked == [NOON] * 3
    assert trainer.trained == [run_name(found.key)]
    assert time.monotonic() - begun > 0.1
    assert not one.ask(ASKED).accepted


@pytest.mark.parametrize(("state", "ends", "told"), [("refused", "kept", "not good enough: roc_auc"), ("failed", "failed", "roc_auc")])
def test_a_run_that_gives_no_version_leaves_the_champion(ledger: Ledger, state: RunState, ends: str, told: str) -> None:
    one = retrainer(ledger, Apprentice(ledger, state=state))
    one.ask(ASKED)
    found = worked(one)
    assert found.state == ends
    assert told in found.reason
    champion = ledger.current("m")
    assert champion is not None
    assert champion.version == 1


def test_a_promotion_that_came_between_is_not_overruled(ledger: Ledger) -> None:
    def overtake() -> None:
        ledger.promote(PromotionRequest("m", 2, 1, "somebody", "by hand", NOON))

    one = retrainer(ledger, Apprentice(ledger, before=overtake))
    one.ask(ASKED)
    found = worked(one)
    assert found.state == "kept"
    assert "by somebody" in found.reason
    champion = ledger.current("m")
    assert champion is not None
    assert champion.version == 2


def test_whom_somebody_replaced_while_it_waited_for_rows_is_not_trained_for(ledger: Ledger) -> None:
    trainer = Apprentice(ledger, rows=[0, 499, 500])
    one = retrainer(ledger, trainer)
    one.ask(ASKED)
    trainer.look = lambda: ledger.promote(PromotionRequest("m", 2, 1, "somebody", "by hand", NOON)) if len(trainer.looked) == 2 else None
    found = worked(one)
    assert (found.state, found.reason) == ("kept", "expected version 1 to be champion still, found version 2")
    assert trainer.looked == [NOON] * 2
    assert trainer.trained == []


def test_a_source_that_is_away_for_a_while_is_waited_for(ledger: Ledger) -> None:
    trainer = Apprentice(ledger)

    def away_at_first() -> None:
        if len(trainer.looked) < 3:
            raise Unavailable("sources.payments: expected a database, found none")

    trainer.look = away_at_first
    one = retrainer(ledger, trainer)
    one.ask(ASKED)
    assert worked(one).state == "promoted"
    assert trainer.looked == [NOON] * 3


def test_a_ledger_that_is_away_for_a_while_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.retraining, "LOST_RUN_SECONDS", 0.01)
    one = retrainer(ledger, Apprentice(ledger))
    one.ask(ASKED)
    there, away = Ledger.retrainings, [1, 1]

    def retrainings(self: Ledger, model: str) -> tuple[Retraining, ...]:
        if away and threading.current_thread() is not threading.main_thread():
            away.pop()
            raise Unavailable("ledger: expected it to answer, found it away")
        return there(self, model)

    monkeypatch.setattr(Ledger, "retrainings", retrainings)
    assert worked(one).state == "promoted"
    assert not away


def test_an_error_of_training_ends_the_retraining_with_its_message(ledger: Ledger) -> None:
    def break_off() -> None:
        raise DataError("table 'payments': expected rows, found none")

    one = retrainer(ledger, Apprentice(ledger, before=break_off))
    one.ask(ASKED)
    found = worked(one)
    assert (found.state, found.reason) == ("failed", "table 'payments': expected rows, found none")


@pytest.mark.parametrize("promoted", [True, False])
def test_a_kill_right_after_the_promotion_does_not_train_again(ledger: Ledger, promoted: bool) -> None:
    trainer = Apprentice(ledger)
    one = retrainer(ledger, trainer)
    key = one.ask(ASKED).key
    ledger.advance_retraining(key, "running", run=run_name(key))
    made = run_name(key) if promoted else "somebody else's"
    version = ledger.register_version(Registration("m", "new", "uri", made, (None, None), NOON, "test"))
    ledger.promote(PromotionRequest("m", version, 1, "x", "y", NOON))
    assert worked(one).state == ("promoted" if promoted else "kept")
    assert trainer.trained == []
    assert trainer.concluded == ([version] if promoted else [])



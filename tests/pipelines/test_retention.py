"""Answers are forgotten a week after they matured, and not before."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey.clock import Clock
from journey.records.entries import PredictionRecord
from journey.records.ledger import Ledger
from pipelines.retention import forget_old_answers, keep_forgetting

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MATURES = timedelta(hours=6)
STILL = 1e-6                       # platform time hardly moves


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.connect(f"sqlite:///{tmp_path / 'ledger.db'}")) as ledger:
        ledger.record_predictions([PredictionRecord(f"a{day}", "m", 1, NOON - timedelta(days=day), None, 0.5) for day in range(10)])
        yield ledger


def clock() -> Clock:
    return Clock(NOON, 0.0, STILL)


def kept(ledger: Ledger) -> list[str]:
    return [f"a{day}" for day in range(10) if ledger.prediction(f"a{day}") is not None]


def test_an_answer_stays_until_it_matured_and_a_week_passed(ledger: Ledger) -> None:
    assert forget_old_answers(ledger, MATURES, clock()) == 2          # eight and nine days ago
    assert kept(ledger) == ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]


def test_forgetting_begins_at_once_and_ends_when_asked(ledger: Ledger) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=keep_forgetting, args=(ledger, timedelta(0), clock(), stop))
    thread.start()
    while len(kept(ledger)) == 10:
        assert thread.is_alive()
    stop.set()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert kept(ledger)[-1] == "a6"

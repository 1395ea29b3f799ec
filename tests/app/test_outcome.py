"""Judging a performance: periods, maturity, and what is called a problem."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.demo import Performance
from app.judge import Advantage, advantage, matured, quality
from app.outcome import Outcome, Quality, is_false_alarm, periods_of, told_outcome
from app.simulate import Answer, Happening
from app.stage import Stage
from journey.clock import Clock
from journey.records.entries import Promotion, Retraining

START = datetime(2026, 3, 1, tzinfo=UTC)
CLOCK = Clock(START, 1000.0, 4320.0)
HOURS_6 = timedelta(hours=6)


def answered(seconds: float, version: int = 1, outcome: bool = False, probability: float = 0.5, status: int = 200) -> Answer:
    happening = Happening({}, CLOCK.at(1000.0 + seconds), outcome)
    return Answer(happening, 1000.0 + seconds, 0.001, status, version, (1 - probability, probability))


def promotion(seq: int, version: int, seconds: float) -> Promotion:
    return Promotion(seq, "payments", "champion", version, f"b{version}", seq - 1, "trigger", "", CLOCK.at(1000.0 + seconds))


def performed(answers: list[Answer], drifted: float | None, *promotions: Promotion) -> Performance:
    stage = Stage(Path("x"), Path("x/payments"), Path("x/bank.db"), START)
    asked = Retraining("k", "payments", 1, "drift", CLOCK.at(1024.0)) if drifted else None
    return Performance(stage, CLOCK, 1000.0, drifted, tuple(answers), asked, promotions)


def test_periods_are_cut_at_the_drift_and_the_promotion_and_hold_matured_answers_alone() -> None:
    answers = [answered(float(second), version=1 if second < 60 else 2) for second in range(100)]
    performance = performed(answers, 1020.0, promotion(1, 1, -5.0), promotion(2, 2, 59.5))
    periods = periods_of(performance, HOURS_6)
    assert [answer.asked - 1000 for answer in periods.before] == list(range(20))
    assert [answer.asked - 1000 for answer in periods.during] == list(range(20, 60))
    assert [answer.asked - 1000 for answer in periods.after] == list(range(60, 95))


def test_a_retraining_that_nothing_called_for_is_a_false_alarm() -> None:
    calm, drifting = performed([], None), performed([], 1020.0)
    assert not is_false_alarm(calm)
    assert not is_false_alarm(drifting)
    assert is_false_alarm(replace(calm, retraining=drifting.retraining)), "though how long after the drift is not known"
    early = Retraining("k", "payments", 1, "drift", CLOCK.at(1019.0))
    assert is_false_alarm(replace(drifting, retraining=early))


def test_failed_answers_are_judged_nowhere() -> None:
    performance = performed([answered(1.0, status=500), answered(2.0), answered(50.0)], None)
    assert [answer.asked - 1000 for answer in periods_of(performance, HOURS_6).before] == [2.0]


def test_an_answer_matures_after_its_time() -> None:
    assert matured([answered(0.0)], HOURS_6, START + HOURS_6)
    assert not matured([answered(0.0)], HOURS_6, START + HOURS_6 - timedelta(microseconds=1))


def test_quality_needs_five_hundred_answers() -> None:
    random = np.random.default_rng(7)
    answers = [answered(0.0, outcome=bool(p > random.random()), probability=float(p)) for p in random.random(500)]
    found = quality("roc_auc", answers)
    assert found == pytest.approx(0.83, abs=0.05)
    assert quality("roc_auc", answers[:-1]) is None


def test_an_advantage_is_clear_beyond_two_standard_errors() -> None:
    random = np.random.default_rng(7)
    answers = [answered(0.0, outcome=bool(p > random.random()), probability=float(p)) for p in random.random(600)]
    noise = random.random(600)
    gain = advantage("roc_auc", answers, np.column_stack([1 - noise, noise]), seed=7)
    assert gain.is_clear
    assert gain.difference == pytest.approx(0.33, abs=0.08)
    assert gain.standard_error == pytest.approx(0.03, abs=0.015)
    own = np.array([answer.outputs for answer in answers])
    assert not advantage("roc_auc", answers, own, seed=7).is_clear


GOOD = Outcome((1, 2), 4.0, 90.0, 13000, 0, 0, Quality("roc_auc", 0.83, 0.63, 0.8, 0.62), Advantage(0.18, 0.03))


@pytest.mark.parametrize(
    ("outcome", "drift", "told"),
    [
        (Outcome((1, 2), 4.0, 90.0, 10, 1, 0, GOOD.quality, GOOD.advantage), True, "failed requests"),
        (Outcome((1, 2), 4.0, 90.0, 10, 0, 2, GOOD.quality, GOOD.advantage), True, "wrong answers"),
        (Outcome((1, 2), 4.0, 90.0, 10, 0, 0, GOOD.quality, Advantage(0.05, 0.03)), True, "two standard errors"),
        (GOOD, False, "without drift"),
        (Outcome((1,), None, None, 10, 0, 0, GOOD.quality, None, false_alarm=True), False, "a retraining: expected none"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(outcome: Outcome, drift: bool, told: str) -> None:
    assert told in outcome.problems(drift)[0]


def test_the_json_is_what_machines_were_promised() -> None:
    assert GOOD.problems(drift=True) == []
    told = GOOD.json("page.html")
    assert told["versions"] == [1, 2]
    assert told["quality"] == {"metric": "roc_auc", "before": 0.83, "during": 0.63, "after": 0.8, "old_on_after": 0.62}
    assert "false_alarm" not in told
    assert {"detected_after_seconds", "retrained_after_seconds", "requests", "failed_requests", "wrong_answers", "report"} <= told.keys()
    assert any("0.620" in line for line in told_outcome(GOOD))
    calm = Outcome((1,), None, None, 13000, 0, 0, Quality("roc_auc", 0.83), None)
    assert calm.problems(drift=False) == []
    assert "no drift noticed" in told_outcome(calm)[1]

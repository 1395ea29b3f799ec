"""Verdicts over simulated traffic: quiet where nothing changes, and an onset where something does."""

from datetime import UTC, datetime, timedelta

import numpy as np

from journey.watching.drift import Counts, Expected
from monitoring.evaluate import Assessment, Monitor
from monitoring.rules import rules_of
from monitoring.scrape import ModelVersion, Scrape, Series, Watched

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=30)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BINS = tuple(f"{place:02d}" for place in range(10))
LIMITS = {"1h": 0.1, "1d": 0.05, "7d": 0.01}
WATCHED = {"x": Watched(BINS, Expected(np.full(10, 0.1), 20_000), LIMITS)}
CHAMPION = ModelVersion("m", "1")


class Traffic:
    """A server that sees `rows` rows in each half hour; a shift moves rows from the first bin to the last."""

    def __init__(self, seed: int = 7, rows: int = 100) -> None:
        self._random = np.random.default_rng(seed)
        self._rows = rows
        self.totals: Counts = np.zeros(10, np.int64)

    def step(self, shift: float = 0.0) -> None:
        shares = np.full(10, 0.1)
        shares[0] -= shift
        shares[-1] += shift
        self.totals = self.totals + self._random.multinomial(self._rows, shares)

    def scrape(self, which: ModelVersion = CHAMPION) -> dict[str, Scrape]:
        counts = {which: {Series("x", name): int(count) for name, count in zip(BINS, self.totals, strict=True)}}
        return {"a": Scrape(1.0, counts, {which: WATCHED}, frozenset({which}))}


def run(monitor: Monitor, traffic: Traffic, shifts: list[float], start: datetime = NOON) -> list[Assessment]:
    found = list(monitor.evaluate(traffic.scrape(), start))
    for index, shift in enumerate(shifts, start=1):
        traffic.step(shift)
        found.extend(monitor.evaluate(traffic.scrape(), start + index * STEP))
    return found


def test_steady_traffic_raises_nothing_in_a_month() -> None:
    for seed in range(3):
        found = run(Monitor(rules_of(("1h", "1d", "7d"))), Traffic(seed), [0.0] * 48 * 30)
        assert not any(assessment.alarm.ringing or assessment.drifted for assessment in found)


def test_a_shift_rings_and_the_onset_is_the_first_evidence_of_the_run() -> None:
    found = run(Monitor(rules_of(("1h", "1d", "7d"))), Traffic(), [0.0] * 48 * 2 + [0.09] * 48)
    evidence = [assessment.at for assessment in found if any(one.drifted and one.rule.retrains for one in assessment.findings)]
    rung = [assessment for assessment in found if assessment.alarm.ringing]
    shifted = NOON + 2 * DAY
    assert shifted < rung[0].at < shifted + timedelta(hours=14)
    assert rung[0].alarm.onset == evidence[0]
    assert rung[0].at - evidence[0] == timedelta(minutes=30)
    alert = rung[0].alert()
    assert alert is not None
    assert alert.annotations["onset"] == evidence[0].isoformat()
    assert alert.labels["version"] == "1"
    assert "x (PSI" in alert.annotations["summary"]
    assert {one.alert().fingerprint for one in rung} == {alert.fingerprint}  # type: ignore[union-attr]


def test_a_part_of_a_day_is_not_judged_as_a_day() -> None:
    found = run(Monitor(rules_of(("1d",))), Traffic(rows=1000), [0.09] * 47)
    assert not any(assessment.drifted for assessment in found)
    assert found[-1].findings[0].evidence.psi > 0.05


def test_an_hours_drift_is_told_to_people_and_starts_no_retraining() -> None:
    found = run(Monitor(rules_of(("1h",))), Traffic(rows=1000), [0.0] * 4 + [0.09] * 6)
    assert any(assessment.drifted for assessment in found)
    assert not any(assessment.alarm.ringing for assessment in found)


def test_few_rows_are_no_verdict() -> None:
    found = run(Monitor(rules_of(("1d",))), Traffic(rows=10), [0.1] * 60)
    assert found[-1].findings[0].evidence.rows == 480
    assert not found[-1].drifted


def test_a_version_that_is_champion_no_more_falls_silent_and_the_next_starts_with_a_whole_day() -> None:
    monitor, traffic = Monitor(rules_of(("1d",))), Traffic()
    assert run(monitor, traffic, [0.09] * 60)[-1].alarm.ringing
    second = ModelVersion("m", "2")
    later = NOON + 61 * STEP
    assert [one.which for one in monitor.evaluate(traffic.scrape(second), later)] == [second]
    assert not monitor.evaluate(traffic.scrape(second), later + STEP)[0].alarm.ringing


def test_when_no_server_answers_nothing_is_forgotten() -> None:
    monitor, traffic = Monitor(rules_of(("1d",))), Traffic()
    assert run(monitor, traffic, [0.09] * 60)[-1].alarm.ringing
    assert monitor.evaluate({}, NOON + 60 * STEP + timedelta(minutes=1)) == ()
    assert monitor.evaluate(traffic.scrape(), NOON + 60 * STEP + timedelta(minutes=2))[0].alarm.ringing

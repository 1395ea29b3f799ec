"""Drift's statistics against their textbook values, and the alarm against a clock."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from journey.watching.drift import Alarm, Evidence, Expected, Threshold, evidence_of

DECILES = Expected(np.full(10, 0.1), rows=1_000_000)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def drawn(random: np.random.Generator, rows: int, shift_sd: float = 0.0) -> np.ndarray:
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    return np.bincount(np.searchsorted(edges, random.normal(shift_sd, size=rows)), minlength=10)


def test_equal_shares_are_no_drift() -> None:
    evidence = evidence_of(np.full(10, 100), DECILES)
    assert evidence.psi == pytest.approx(0.0, abs=1e-12)
    assert evidence.jensen_shannon == pytest.approx(0.0, abs=1e-9)
    assert evidence.z < 0


def test_an_empty_window_says_nothing() -> None:
    evidence = evidence_of(np.zeros(10, np.int64), DECILES)
    assert (evidence.rows, evidence.psi) == (0, 0.0)
    assert not Threshold(psi=0.0).is_exceeded(evidence)


def test_psi_and_distance_are_those_of_the_formula() -> None:
    expected = Expected(np.array([0.5, 0.5]), rows=10**9)
    evidence = evidence_of(np.array([800_000, 200_000]), expected)
    assert evidence.psi == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4), rel=1e-4)
    middle = np.array([0.65, 0.35])
    divergence = 0.5 * (0.8 * np.log2(0.8 / 0.65) + 0.2 * np.log2(0.2 / 0.35)) + 0.5 * np.sum(0.5 * np.log2(0.5 / middle))
    assert evidence.jensen_shannon == pytest.approx(np.sqrt(divergence), rel=1e-4)
    assert evidence.share == pytest.approx(0.3, rel=1e-4)


def test_chi_square_is_pearsons_where_no_bin_is_rare_and_the_reference_is_large() -> None:
    counts = np.array([130, 90, 110, 70, 100, 95, 105, 100, 120, 80])
    evidence = evidence_of(counts, Expected(np.full(10, 0.1), rows=10**12))
    assert evidence.chi_square == pytest.approx(stats.chisquare(counts).statistic, rel=1e-6)
    assert evidence.z == pytest.approx(stats.norm.isf(stats.chi2.sf(evidence.chi_square, 9)), abs=0.03)


def test_a_small_reference_takes_certainty_away() -> None:
    counts = np.array([600, 400])
    large, small = (evidence_of(counts, Expected(np.array([0.5, 0.5]), rows)) for rows in (10**9, 1000))
    assert small.chi_square == pytest.approx(large.chi_square / 2, rel=1e-3)


def test_overdispersion_takes_certainty_away_and_averages_out_over_days() -> None:
    counts, shares = np.array([600, 400]), np.array([0.5, 0.5])
    plain, day, week = (evidence_of(counts, Expected(shares, 10**9, kappa), days) for kappa, days in ((0, 1), (0.01, 1), (0.01, 7)))
    assert day.z < week.z < plain.z
    assert day.chi_square == pytest.approx(plain.chi_square / 11, rel=1e-4)


def test_z_is_exceeded_as_rarely_at_fifty_rows_as_at_fifty_thousand() -> None:
    random = np.random.default_rng(7)
    for rows in (50, 500, 50_000):
        deviates = [evidence_of(drawn(random, rows), DECILES).z for _ in range(2000)]
        assert np.mean(np.array(deviates) > 1.645) == pytest.approx(0.05, abs=0.03)
        assert max(deviates) < 5


def test_few_rows_exceed_psi_without_drift_but_not_the_verdict() -> None:
    random = np.random.default_rng(7)
    found = [evidence_of(drawn(random, 100), DECILES) for _ in range(500)]
    assert np.mean([evidence.psi > 0.1 for evidence in found]) > 0.1
    assert not any(Threshold(psi=0.1).is_exceeded(evidence) for evidence in found)


def test_a_third_of_a_deviation_is_drift_at_two_thousand_rows() -> None:
    random = np.random.default_rng(7)
    assert all(Threshold(psi=0.05).is_exceeded(evidence_of(drawn(random, 2000, 0.35), DECILES)) for _ in range(100))


@pytest.mark.parametrize(("psi", "z", "rows"), [(0.05, 6.0, 500), (0.06, 5.0, 500), (0.06, 6.0, 499)])
def test_effect_certainty_and_rows_are_all_needed(psi: float, z: float, rows: int) -> None:
    threshold = Threshold(psi=0.05, z=5.0, rows=500)
    assert threshold.is_exceeded(Evidence(500, 0.06, 0.0, 0.0, 6.0, 0.0))
    assert not threshold.is_exceeded(Evidence(rows, psi, 0.0, 0.0, z, 0.0))


def test_an_alarm_rings_once_evidence_has_lasted_and_its_onset_is_the_first_of_the_run() -> None:
    alarm = Alarm(lasts=30 * MINUTE)
    for minute in range(0, 30, 10):
        alarm = alarm.after(NOON + minute * MINUTE, evidence=True)
        assert not alarm.ringing
        assert alarm.onset is None
    alarm = alarm.after(NOON + 30 * MINUTE, evidence=True)
    assert alarm.ringing
    assert alarm.onset == NOON


def test_a_break_in_the_evidence_starts_the_run_anew() -> None:
    alarm = Alarm(lasts=30 * MINUTE).after(NOON, True).after(NOON + 20 * MINUTE, False).after(NOON + 25 * MINUTE, True)
    assert not alarm.after(NOON + 40 * MINUTE, True).ringing
    rung = alarm.after(NOON + 55 * MINUTE, True)
    assert rung.ringing
    assert rung.onset == NOON + 25 * MINUTE


def test_an_alarm_keeps_ringing_for_a_while_with_its_onset() -> None:
    alarm = Alarm(lasts=timedelta(0), keeps=60 * MINUTE).after(NOON, True)
    later = alarm.after(NOON + 59 * MINUTE, False)
    assert later.ringing
    assert later.onset == NOON
    again = later.after(NOON + 59 * MINUTE, True)
    assert again.after(NOON + 100 * MINUTE, False).ringing
    assert not again.after(NOON + 119 * MINUTE, False).ringing

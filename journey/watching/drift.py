"""Drift as counts tell it: how far a window's counts are from the reference's, how sure that is, and when it is called drift.

A verdict wants evidence (z), effect (PSI) and rows, all three. PSI alone grows as rows get fewer; chi-square alone finds differences too
small to matter once rows are many. The numbers are J-divergence over smoothed shares (PSI), the square root of Jensen-Shannon divergence
in bits, and Pearson's chi-square, made comparable over any number of bins by Wilson and Hilferty (1931).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]

HALF_A_ROW = 0.5                   # Jeffreys' prior for a share: no bin is ever impossible
LEAST_EXPECTED = 2.0               # rows; below it one stray row in a rare bin would outweigh all others


@dataclass(frozen=True)
class Expected:
    """What a window is compared with.

    Attributes:
        shares: smoothed share of each bin in the reference rows, adding up to 1.
        rows: how many reference rows there were.
        overdispersion: kappa: how much more shares wobble from day to day than independent rows would (0: not at all, or not known).
    """

    shares: Shares
    rows: int
    overdispersion: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """One feature over one window.

    Attributes:
        rows: rows in the window.
        psi: population stability index, 0 and up.
        jensen_shannon: distance, 0 to 1.
        chi_square: over the window's bins, already divided by what the reference's own noise and overdispersion explain.
        z: chi-square as a standard normal deviate.
        share: the largest change of a bin's share.
    """

    rows: int
    psi: float
    jensen_shannon: float
    chi_square: float
    z: float
    share: float


@dataclass(frozen=True)
class Threshold:
    """When evidence is drift.

    Attributes:
        psi: must be exceeded; the effect that matters.
        z: must be exceeded; under no drift z > 4 happens about 3 times in 100,000 windows of any size.
        rows: the window must hold at least so many.
    """

    psi: float
    z: float = 5.0
    rows: int = 500

    def is_exceeded(self, evidence: Evidence) -> bool:
        """Whether the evidence is drift: effect, certainty and rows, all three."""
        return evidence.psi > self.psi and evidence.z > self.z and evidence.rows >= self.rows


def evidence_of(counts: Counts, expected: Expected, days: float = 1.0) -> Evidence:
    """Compares a window's counts with the reference.

    Args:
        counts: rows by bin, shape [bins], in the order of `expected.shares`.
        expected: the reference.
        days: the window's length, over which overdispersion averages out.
    """
    rows, bins = int(counts.sum()), len(counts)
    if rows == 0:
        return Evidence(0, 0.0, 0.0, 0.0, _deviate(0.0, bins - 1), 0.0)
    found: Shares = (counts + HALF_A_ROW) / np.float64(rows + HALF_A_ROW * bins)
    reference = expected.shares
    chi_square = _chi_square(counts, expected, days)
    return Evidence(
        rows=rows,
        psi=float(np.sum((found - reference) * np.log(found / reference))),
        jensen_shannon=_jensen_shannon(found, reference),
        chi_square=chi_square,
        z=_deviate(chi_square, bins - 1),
        share=float(np.max(np.abs(found - reference))),
    )


def _chi_square(counts: Counts, expected: Expected, days: float) -> float:
    rows = int(counts.sum())
    wanted = expected.shares * rows
    raw = float(np.sum((counts - wanted) ** 2 / np.maximum(wanted, LEAST_EXPECTED)))
    return raw / (1.0 + rows / max(expected.rows, 1) + rows * expected.overdispersion / days)


def _jensen_shannon(found: Shares, reference: Shares) -> float:
    middle = (found + reference) / 2.0
    divergence = np.sum(found * np.log2(found / middle)) + np.sum(reference * np.log2(reference / middle))
    return float(np.sqrt(max(0.0, divergence / 2.0)))


def _deviate(chi_square: float, freedom: int) -> float:
    """Wilson and Hilferty's cube root: a standard normal deviate for any degrees of freedom."""
    if freedom < 1:
        return 0.0
    spread = 2.0 / (9.0 * freedom)
    return float(((chi_square / freedom) ** (1.0 / 3.0) - 1.0 + spread) / spread**0.5)


@dataclass(frozen=True)
class Alarm:
    """One alarm's memory: it rings when evidence has lasted, and goes on for a while after the evidence has gone.

    Attributes:
        lasts: how long evidence must be unbroken before the alarm rings.
        keeps: how long the alarm goes on ringing without evidence.
        since: the first evaluation of the unbroken run of evidence, or of the run that made it ring: the onset. None when quiet.
        ringing: whether it rings.
        seen: the last evaluation with evidence.
    """

    lasts: timedelta = timedelta(minutes=30)
    keeps: timedelta = timedelta(hours=1)
    since: datetime | None = None
    ringing: bool = False
    seen: datetime | None = None

    @property
    def onset(self) -> datetime | None:
        """The first evaluation of the unbroken run whose evidence made the alarm ring; None while it doesn't ring."""
        return self.since if self.ringing else None

    def after(self, now: datetime, evidence: bool) -> "Alarm":
        """The alarm after one more evaluation at platform time `now`."""
        if evidence:
            since = self.since or now
            return replace(self, since=since, ringing=self.ringing or now - since >= self.lasts, seen=now)
        if self.ringing and self.seen is not None and now - self.seen < self.keeps:
            return self
        return replace(self, since=None, ringing=False, seen=None)

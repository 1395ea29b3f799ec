"""Counts over windows of platform time, from counters that start anew, join and leave."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from journey.watching.drift import Counts
from monitoring.scrape import ModelVersion, Scrape, Series


@dataclass
class _Target:
    """What a target last said."""

    started: float
    counts: dict[ModelVersion, dict[Series, int]]


@dataclass
class _History:
    """One version over all targets: the total of each bin at each sample, oldest first.

    Attributes:
        layout: place of each bin in the totals; bins are only ever added.
        since: the last sample before its first row; None before that.
    """

    layout: dict[Series, int] = field(default_factory=dict)
    totals: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    samples: deque[tuple[datetime, Counts]] = field(default_factory=deque)
    since: datetime | None = None


class Windows:
    """The samples of the last `longest` of platform time."""

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest
        self._targets: dict[str, _Target] = {}
        self._histories: dict[ModelVersion, _History] = {}
        self._sampled: datetime | None = None

    def add(self, scrapes: dict[str, Scrape], now: datetime) -> None:
        """Takes one sample.

        A counter that is new on a known target, or on one that has started again, has counted from zero since the last sample. A target
        that is seen for the first time has counted for nobody knows how long: only what it adds from now on is taken.

        Args:
            scrapes: what each target that answered said, by its URL.
            now: platform time of the sample.
        """
        for url, scrape in scrapes.items():
            for which, counts in scrape.counts.items():
                self._count(which, counts, self._before(url, scrape, which))
            self._targets[url] = _Target(scrape.started, scrape.counts)
        held = {which for target in self._targets.values() for which in target.counts}
        self._histories = {which: history for which, history in self._histories.items() if which in held}
        for history in self._histories.values():
            self._close_sample(history, now)
        self._sampled = now

    def over(self, which: ModelVersion, feature: str, bins: tuple[str, ...], since: datetime) -> Counts:
        """Rows by bin since a moment.

        Args:
            which: the version.
            feature: the feature.
            bins: the bins in the order wanted.
            since: platform time; the newest sample at or before it is where counting starts.
        """
        history = self._histories.get(which)
        if history is None or not history.samples:
            return np.zeros(len(bins), np.int64)
        newest = history.samples[-1][1]
        start = _padded(_at(history, since), len(newest))
        places = [history.layout.get(Series(feature, name), -1) for name in bins]
        return np.array([newest[place] - start[place] if place >= 0 else 0 for place in places], np.int64)

    def since(self, which: ModelVersion) -> datetime | None:
        """When the version's first rows came, at the latest the sample before them; None while there are none."""
        history = self._histories.get(which)
        return history.since if history else None

    def _before(self, url: str, scrape: Scrape, which: ModelVersion) -> dict[Series, int]:
        known = self._targets.get(url)
        if known is None:
            return scrape.counts[which]
        return {} if known.started != scrape.started else known.counts.get(which, {})

    def _count(self, which: ModelVersion, counts: dict[Series, int], before: dict[Series, int]) -> None:
        history = self._histories.setdefault(which, _History())
        for series in counts:
            history.layout.setdefault(series, len(history.layout))
        history.totals = _padded(history.totals, len(history.layout)).copy()
        for series, count in counts.items():
            earlier = before.get(series, 0)
            history.totals[history.layout[series]] += count - earlier if count >= earlier else count

    def _close_sample(self, history: _History, now: datetime) -> None:
        if history.since is None and history.totals.any():
            history.since = self._sampled or now
        history.samples.append((now, history.totals.copy()))
        while len(history.samples) > 1 and history.samples[1][0] <= now - self._longest:
            history.samples.popleft()


def _at(history: _History, moment: datetime) -> Counts:
    """The totals at the newest sample at or before a moment; zero where all samples are younger."""
    found = np.zeros(0, np.int64)
    for when, totals in history.samples:
        if when > moment:
            break
        found = totals
    return found


def _padded(counts: Counts, size: int) -> Counts:
    return np.pad(counts, (0, size - len(counts)))

"""The rules as a rule file for Prometheus: the verdicts of monitoring.evaluate, from the same definition.

Rows are counted in slices: one recording rule takes the increase of every bin's counter over a slice, summed over pods, and a
window's count is the sum of its slices. So a window costs one sample a slice however often pods are scraped, counters may start
anew, and pods may come and go. A window is whole where nine tenths of its slices are there and the version has rows that are as
old as the window.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TypeAlias

import yaml

from journey.errors import ProjectError
from journey.watching import metric_names as names
from journey.watching.drift import HALF_A_ROW, LEAST_EXPECTED
from monitoring.rules import DAY, FEATURE_ALERT, MODEL_ALERT, TRIGGER_CLASS, Rules, WindowRule
from monitoring.scrape import CHAMPION

Rule: TypeAlias = dict[str, str | dict[str, str]]

SCRAPE = timedelta(seconds=15)
LEAST_SCRAPES = 4                # in a slice: over fewer, what lies between two slices' samples is guessed from too little
COVERED = 0.9                    # of a window's slices; servers or Prometheus may have been away for the rest

_BIN_ROWS = "journey:bin_rows:slice"
_ROWS = "journey:rows:slice"
_REFERENCE = "journey:reference_share"
_BINS = "journey:reference_bins"
_CHAMPION = "journey:champion"
_BY_VERSION = "(model, version)"
_BY_FEATURE = "(model, version, feature)"
_BY_BIN = "(model, version, feature, bin)"
_VERSION = "{{ $labels.model }} {{ $labels.version }}"
_HEAD = "# Made by `journey compile --to rules`, from monitoring/rules.py. Prometheus 2.42 or newer.\n"
_UNFOLDED = 10_000               # columns: YAML would break expressions over lines


@dataclass(frozen=True)
class Timing:
    """How platform time, which rules are written in, becomes Prometheus' real time.

    Attributes:
        scrape: real time between two scrapes of a server.
        scale: platform seconds in a real second.
    """

    scrape: timedelta = SCRAPE
    scale: float = 1.0

    def real(self, platform: timedelta) -> timedelta:
        """How long a span of platform time takes."""
        return platform / self.scale

    def slice(self, rules: Rules) -> timedelta:
        """Real time between two evaluations, which is what a slice of rows is counted over."""
        return max(self.real(rules.pace), LEAST_SCRAPES * self.scrape)

    def slices(self, length: timedelta, rules: Rules) -> int:
        """How many slices make up a span of platform time, at least one."""
        return max(1, round(self.real(length) / self.slice(rules)))


def rule_file(rules: Rules, timing: Timing = Timing()) -> str:
    """A rule file with recording rules and alerts, for every model and version that is scraped.

    Raises:
        ProjectError: a window is shorter than a slice: its rule would judge more than it says.
    """
    every = timing.slice(rules)
    for window in rules.windows:
        if timing.real(window.length) < every:
            raise ProjectError(
                f"monitoring.windows: expected windows of at least {LEAST_SCRAPES} scrapes, found {window.window}, "
                f"which is {span(timing.real(window.length))} here, with a scrape every {span(timing.scrape)}. "
                "Scrape more often (--scrape), or let a day be longer (--day)."
            )
    found = [*_shared(every), *(rule for window in rules.windows for rule in _judged(window, rules, timing)), *_alerts(rules, timing)]
    groups = {"groups": [{"name": "journey_drift", "interval": span(every), "rules": found}]}
    return _HEAD + yaml.safe_dump(groups, sort_keys=False, allow_unicode=True, width=_UNFOLDED)


def span(length: timedelta) -> str:
    """A span of time as Prometheus writes it: 5m, 4s, 6250ms."""
    milliseconds = round(length / timedelta(milliseconds=1))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def _shared(every: timedelta) -> Iterator[Rule]:
    """What all windows need: a slice's rows by bin and by version, the reference, and who is champion."""
    yield _record(_BIN_ROWS, f"sum by {_BY_BIN} (increase({names.FEATURE_BIN}[{span(every)}]))")
    yield _record(_ROWS, f"max by {_BY_VERSION} (sum by {_BY_FEATURE} ({_BIN_ROWS}))")
    yield _record(_REFERENCE, f"max by {_BY_BIN} ({names.REFERENCE_PROBABILITY})")
    yield _record(_BINS, f"count by {_BY_FEATURE} ({_REFERENCE})")
    yield _record(_CHAMPION, f'max by {_BY_VERSION} ({names.MODEL_INFO}{{role="{CHAMPION}"}}) == 1')


@dataclass(frozen=True)
class _Series:
    """What one window's recorded series are called."""

    bin_rows: str
    rows: str
    share: str
    psi: str
    jensen_shannon: str
    chi_square: str
    z: str
    whole: str
    drifted: str

    @classmethod
    def of(cls, window: WindowRule) -> "_Series":
        over = window.window.replace(".", "_")          # 1.5h: a series' name has no dot
        return cls(*(f"journey:{field.name}:{over}" for field in fields(cls)))


def _judged(window: WindowRule, rules: Rules, timing: Timing) -> Iterator[Rule]:
    """One window: its counts, its evidence (journey.watching.drift has the formulas), and which features have drifted."""
    of = _Series.of(window)
    yield _record(of.bin_rows, f"sum_over_time({_BIN_ROWS}[{_reach(window, rules, timing)}]) or {_REFERENCE} * 0")
    yield _record(of.rows, f"sum by {_BY_FEATURE} ({of.bin_rows})")
    everything = f"({of.rows} + {HALF_A_ROW} * {_BINS})"
    yield _record(of.share, f"({of.bin_rows} + {HALF_A_ROW}) / on {_BY_FEATURE} group_left () {everything}")
    yield _record(of.psi, _added_up(f"({of.share} - {_REFERENCE}) * ln({of.share} / {_REFERENCE})"))
    middle = f"(({of.share} + {_REFERENCE}) / 2)"
    divergence = f"{of.share} * log2({of.share} / {middle}) + {_REFERENCE} * log2({_REFERENCE} / {middle})"
    yield _record(of.jensen_shannon, f"sqrt(clamp_min({_added_up(divergence)} / 2, 0))")
    expected = f"({_REFERENCE} * on {_BY_FEATURE} group_left () {of.rows})"
    raw = _added_up(f"({of.bin_rows} - {expected}) ^ 2 / clamp_min({expected}, {LEAST_EXPECTED:g})")
    yield _record(of.chi_square, f"{raw} / ({_noise(window, of)})")
    spread = f"(2 / (9 * ({_BINS} - 1)))"
    yield _record(of.z, f"(({of.chi_square} / ({_BINS} - 1)) ^ (1 / 3) - 1 + {spread}) / sqrt({spread})")
    yield _record(of.whole, _whole(window, rules, timing))
    yield _record(of.drifted, _drifted(window, of))


def _reach(window: WindowRule, rules: Rules, timing: Timing) -> str:
    """A range that holds a window's slices and no other: it ends half a slice short of the one before them."""
    return span((timing.slices(window.length, rules) - 0.5) * timing.slice(rules))


def _added_up(expression: str) -> str:
    return f"sum by {_BY_FEATURE} ({expression})"


def _noise(window: WindowRule, of: _Series) -> str:
    """What chi-square is divided by: the reference's own noise and, where it counts, overdispersion."""
    noise = f"1 + {of.rows} / clamp_min(max by {_BY_FEATURE} ({names.REFERENCE_ROWS}), 1)"
    if not window.overdispersion(1.0):
        return noise
    return f"{noise} + {of.rows} * max by {_BY_FEATURE} ({names.OVERDISPERSION}) / {window.length / DAY:g}"


def _whole(window: WindowRule, rules: Rules, timing: Timing) -> str:
    """The versions that have been counted for the whole window."""
    every, slices = timing.slice(rules), timing.slices(window.length, rules)
    before = span(timing.slices(rules.longest, rules) * every)
    counted = f"count_over_time({_ROWS}[{_reach(window, rules, timing)}]) >= {COVERED * slices:g}"
    offset = f" offset {span((slices - 1) * every)}" if slices > 1 else ""           # to the window's first slice
    return f"{counted} and sum_over_time({_ROWS}[{before}]{offset}) > 0"


def _drifted(window: WindowRule, of: _Series) -> str:
    """The champion's features that have drifted; the value is their PSI."""
    threshold = window.threshold(0.0)
    limit = f'max by {_BY_FEATURE} ({names.PSI_LIMIT}{{window="{window.window}"}})'
    evidence = f"{of.psi} > {limit} and {of.z} > {threshold.z:g} and {of.rows} >= {threshold.rows}"
    return f"{evidence} and on {_BY_VERSION} {of.whole} and on {_BY_VERSION} {_CHAMPION}"


def _alerts(rules: Rules, timing: Timing) -> Iterator[Rule]:
    """An alert for each window and feature, for people, and one for each version, for the trigger."""
    kept = {"for": span(timing.real(rules.lasts)), "keep_firing_for": span(timing.real(rules.keeps))}
    for window in rules.windows:
        told = f"{{{{ $labels.feature }}}} of {_VERSION} has drifted: PSI {{{{ printf \"%.2f\" $value }}}} over {window.window}"
        labels = {"severity": "info", "window": window.window}
        yield {"alert": FEATURE_ALERT, "expr": _Series.of(window).drifted, **kept, "labels": labels, "annotations": {"summary": told}}
    retraining = [_Series.of(window).drifted for window in rules.windows if window.retrains]
    if retraining:
        told = f"inputs of {_VERSION} have drifted: {{{{ $value }}}} of them"
        labels = {"severity": "warning", "action": "retrain", "class": TRIGGER_CLASS}
        drifted = f"count by {_BY_VERSION} ({' or '.join(retraining)})"
        yield {"alert": MODEL_ALERT, "expr": drifted, **kept, "labels": labels, "annotations": {"summary": told}}


def _record(name: str, expression: str) -> Rule:
    return {"record": name, "expr": expression}

"""The verdicts of the rules without Prometheus: evidence from windows, an alarm for each model and version."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from journey.watching.drift import Alarm, Evidence, Threshold, evidence_of
from monitoring.alerts import Alert, model_alert
from monitoring.rules import DAY, Rules, WindowRule
from monitoring.scrape import ModelVersion, Scrape, Watched
from monitoring.windows import Windows


@dataclass(frozen=True)
class Finding:
    """One feature over one window at one evaluation.

    Attributes:
        whole: whether the version has been counted for the whole window: a part of a day is no sample of a day.
    """

    feature: str
    rule: WindowRule
    evidence: Evidence
    threshold: Threshold
    whole: bool

    @property
    def drifted(self) -> bool:
        """Whether the evidence exceeds the threshold over a whole window."""
        return self.whole and self.threshold.is_exceeded(self.evidence)


@dataclass(frozen=True)
class Assessment:
    """What one evaluation found of one version.

    Attributes:
        which: the version.
        at: platform time.
        findings: one a feature and window.
        alarm: the version's alarm after this evaluation.
        fired: when the alarm began to ring, None while it doesn't.
    """

    which: ModelVersion
    at: datetime
    findings: tuple[Finding, ...]
    alarm: Alarm
    fired: datetime | None

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """Findings of drift, largest PSI against its limit first."""
        found = [finding for finding in self.findings if finding.drifted]
        return tuple(sorted(found, key=lambda finding: finding.evidence.psi / finding.threshold.psi, reverse=True))

    def alert(self) -> Alert | None:
        """The alert that asks for a retraining, while the alarm rings."""
        if self.alarm.onset is None or self.fired is None:
            return None
        told = ", ".join(
            f"{finding.feature} (PSI {finding.evidence.psi:.2f} over {finding.rule.window}, limit {finding.threshold.psi:g})"
            for finding in self.drifted[:4]
        )
        summary = f"inputs of {self.which.model} {self.which.version} have drifted: {told or 'until a moment ago'}"
        return model_alert(self.which.model, self.which.version, self.alarm.onset, self.fired, summary)


class Monitor:
    """Windows and alarms of all versions that answer as champion."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._windows = Windows(rules.longest)
        self._alarms: dict[ModelVersion, Alarm] = {}
        self._fired: dict[ModelVersion, datetime] = {}

    def evaluate(self, scrapes: dict[str, Scrape], now: datetime) -> tuple[Assessment, ...]:
        """Takes a sample and judges every champion.

        Args:
            scrapes: what each target that answered said, by its URL.
            now: platform time of the scrapes.
        """
        self._windows.add(scrapes, now)
        references = {which: features for scrape in scrapes.values() for which, features in scrape.references.items()}
        champions = sorted(frozenset().union(*(scrape.champions for scrape in scrapes.values())))
        if scrapes:
            self._forget_all_but(champions)
        return tuple(self._assess(which, references.get(which, {}), now) for which in champions)

    def _assess(self, which: ModelVersion, features: dict[str, Watched], now: datetime) -> Assessment:
        findings = tuple(self._findings(which, features, now))
        evidence = any(finding.drifted and finding.rule.retrains for finding in findings)
        alarm = self._alarms.get(which, Alarm(self._rules.lasts, self._rules.keeps)).after(now, evidence)
        self._alarms[which] = alarm
        if alarm.ringing:
            self._fired.setdefault(which, now)
        else:
            self._fired.pop(which, None)
        return Assessment(which, now, findings, alarm, self._fired.get(which))

    def _findings(self, which: ModelVersion, features: dict[str, Watched], now: datetime) -> Iterable[Finding]:
        since = self._windows.since(which)
        for rule in self._rules.windows:
            whole = since is not None and now - since >= rule.length
            for name, watched in features.items():
                if rule.window in watched.limits:
                    evidence = self._evidence(which, name, watched, rule, now)
                    yield Finding(name, rule, evidence, rule.threshold(watched.limits[rule.window]), whole)

    def _evidence(self, which: ModelVersion, name: str, watched: Watched, rule: WindowRule, now: datetime) -> Evidence:
        counts = self._windows.over(which, name, watched.bins, now - rule.length)
        kappa = rule.overdispersion(watched.expected.overdispersion)
        return evidence_of(counts, replace(watched.expected, overdispersion=kappa), rule.length / DAY)

    def _forget_all_but(self, champions: Iterable[ModelVersion]) -> None:
        kept = set(champions)
        self._alarms = {which: alarm for which, alarm in self._alarms.items() if which in kept}
        self._fired = {which: moment for which, moment in self._fired.items() if which in kept}

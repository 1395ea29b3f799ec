"""The monitor as a process: scrape, judge, tell; again and again until it is asked to stop."""

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from journey.clock import Clock
from journey.errors import Unavailable
from monitoring.alerts import Alert, webhook
from monitoring.evaluate import Assessment, Monitor
from monitoring.proxy import is_here
from monitoring.rules import Rules
from monitoring.scrape import Scrape, Target

LEAST_PAUSE_SECONDS = 0.5          # real time: however fast the platform clock, a scrape twice a second is all a server should bear
LEAST_REPEAT_SECONDS = 2.0         # real time between two sendings of one alert
REPEAT = timedelta(hours=1)        # platform time; a receiver may have missed an alert, and knows one that it has
SEND_TIMEOUT_SECONDS = 5.0

log = logging.getLogger("journey.monitor")


@dataclass(frozen=True)
class Watch:
    """What one monitor watches.

    Attributes:
        servers: URLs of /metrics.
        trigger: URL that takes alerts; "" where nobody does.
        rules: when it is drift.
        clock: the platform clock.
        out: folder for `monitor.json` (the newest evaluation) and `monitor.jsonl` (all of them).
    """

    servers: tuple[str, ...]
    trigger: str
    rules: Rules
    clock: Clock
    out: Path

    @property
    def pause_seconds(self) -> float:
        """Real seconds between two evaluations."""
        return max(LEAST_PAUSE_SECONDS, self.clock.real_seconds(self.rules.pace))


@dataclass
class Messenger:
    """Sends alerts while they ring; whether they arrive is the next sending's matter."""

    url: str
    clock: Clock
    _sent: dict[str, datetime] = field(default_factory=dict)

    def send(self, alerts: Sequence[Alert]) -> None:
        """Sends the alerts that haven't been sent for a while, in one message."""
        now = self.clock.now()
        pause = max(REPEAT, timedelta(seconds=LEAST_REPEAT_SECONDS * self.clock.scale))
        due = [alert for alert in alerts if alert.fingerprint not in self._sent or now - self._sent[alert.fingerprint] >= pause]
        if not due or not self.url:
            return
        try:
            answer = httpx.post(
                self.url,
                content=webhook(due),
                headers={"content-type": "application/json"},
                timeout=SEND_TIMEOUT_SECONDS,
                trust_env=not is_here(self.url),
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("%s: expected the trigger to take an alert, found %s; it is sent again", self.url, error)
            return
        self._sent |= dict.fromkeys((alert.fingerprint for alert in due), now)


def watch(what: Watch, stop: threading.Event) -> None:
    """Evaluates at the rules' pace until `stop` is set."""
    monitor, messenger = Monitor(what.rules), Messenger(what.trigger, what.clock)
    targets = [Target(url) for url in what.servers]
    round_of_targets = _Round(targets)
    journal = Journal(what.out, what.clock)
    ringing: set[str] = set()
    while not stop.wait(what.pause_seconds):
        assessments = monitor.evaluate(round_of_targets.scrapes(), what.clock.now())
        alerts = [alert for alert in (assessment.alert() for assessment in assessments) if alert is not None]
        for alert in alerts:
            if alert.fingerprint not in ringing:
                log.warning("%s", alert.annotations["summary"])
        ringing = {alert.fingerprint for alert in alerts}
        messenger.send(alerts)
        journal.write(assessments)
    for target in targets:
        target.close()


class _Round:
    """Scrapes all targets; one that doesn't answer is told of once, and once when it is back."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets, self._silent = targets, set[str]()

    def scrapes(self) -> dict[str, Scrape]:
        """What each target that answers says, by its URL."""
        found = {}
        for target in self._targets:
            try:
                found[target.url] = target.scrape()
            except Unavailable as error:
                if target.url not in self._silent:
                    log.warning("%s", error)
                self._silent.add(target.url)
        for url in self._silent & found.keys():
            log.info("%s answers", url)
        self._silent -= found.keys()
        return found


class Journal:
    """What the evaluations found, for people and pages."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._newest, self._all, self._clock = folder / "monitor.json", folder / "monitor.jsonl", clock

    def write(self, assessments: Sequence[Assessment]) -> None:
        """Replaces the newest and adds a line a version to all."""
        told = [self._told(assessment) for assessment in assessments]
        half = self._newest.with_suffix(".half")
        half.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        half.replace(self._newest)
        with self._all.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps({key: value for key, value in line.items() if key != "findings"}) + "\n" for line in told)

    def _told(self, assessment: Assessment) -> dict[str, object]:
        onset = assessment.alarm.onset
        return {
            "model": assessment.which.model,
            "version": int(assessment.which.version),
            "at": assessment.at.isoformat(),
            "unix": self._clock.unix_of(assessment.at),
            "ringing": assessment.alarm.ringing,
            "onset": onset.isoformat() if onset else None,
            "drifted": sorted({finding.feature for finding in assessment.drifted}),
            "worst": _worst(assessment),
            "findings": [
                {
                    "feature": finding.feature,
                    "window": finding.rule.window,
                    "rows": finding.evidence.rows,
                    "psi": finding.evidence.psi,
                    "limit": finding.threshold.psi,
                    "jensen_shannon": finding.evidence.jensen_shannon,
                    "z": finding.evidence.z,
                    "whole": finding.whole,
                    "drifted": finding.drifted,
                }
                for finding in assessment.findings
            ],
        }


def _worst(assessment: Assessment) -> dict[str, dict[str, object]]:
    """By window, the feature whose PSI is largest against its limit."""
    worst: dict[str, dict[str, object]] = {}
    for finding in sorted(assessment.findings, key=lambda finding: finding.evidence.psi / finding.threshold.psi):
        worst[finding.rule.window] = {
            "feature": finding.feature,
            "psi": finding.evidence.psi,
            "limit": finding.threshold.psi,
            "z": finding.evidence.z,
            "rows": finding.evidence.rows,
            "whole": finding.whole,
        }
    return worst

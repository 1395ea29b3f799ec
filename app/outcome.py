"""What came of the demonstration: how fast the loop was, whether every answer was right, and how good answers were before and after."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.demo import Performance
from app.judge import Advantage, Rescorer, advantage, matured, quality
from app.simulate import Answer
from journey.clock import duration
from journey.project import load_project
from journey.records.ledger import Ledger


@dataclass(frozen=True)
class Quality:
    """The project's metric over matured answers; None where there were too few, or no such time.

    Attributes:
        metric: its name.
        before: from the first answer to the drift; without drift, to the end.
        during: from the drift's onset to the promotion.
        after: of the version that was promoted.
        old_on_after: the version before it, on the same rows as `after`.
    """

    metric: str
    before: float | None
    during: float | None = None
    after: float | None = None
    old_on_after: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What the demonstration proves.

    Attributes:
        versions: registered ones.
        detected_after_seconds: real seconds from the drift to the stored request for a retraining.
        retrained_after_seconds: real seconds from the drift to the promotion.
        requests: how many were sent.
        failed_requests: how many got no prediction.
        wrong_answers: how many differ from the row scored again.
        advantage: of the new version over the old one; None where there is no new one.
        false_alarm: a retraining was asked for though nothing had drifted.
    """

    versions: tuple[int, ...]
    detected_after_seconds: float | None
    retrained_after_seconds: float | None
    requests: int
    failed_requests: int
    wrong_answers: int
    quality: Quality
    advantage: Advantage | None
    false_alarm: bool = False

    def json(self, report: str) -> dict[str, object]:
        """For machines."""
        gain = vars(self.advantage) if self.advantage else None
        told = {name: value for name, value in vars(self).items() if name != "false_alarm"}
        return {**told, "versions": list(self.versions), "quality": vars(self.quality), "advantage": gain, "report": report}

    def problems(self, drift: bool) -> list[str]:
        """What should have been otherwise, for people; empty where the story is as it should be."""
        found = []
        if self.failed_requests:
            found.append(f"failed requests: expected none, found {self.failed_requests} of {self.requests}")
        if self.wrong_answers:
            found.append(f"wrong answers: expected none, found {self.wrong_answers} of {self.requests}")
        if self.false_alarm:
            found.append("a retraining: expected none before anything drifted, found one")
        if not drift and len(self.versions) > 1:
            found.append(f"without drift: expected one version, found versions {list(self.versions)}")
        if drift and (self.advantage is None or not self.advantage.is_clear):
            found.append(f"the new version: expected to be better by more than two standard errors, found {self.advantage}")
        return found


@dataclass(frozen=True)
class Periods:
    """Matured answers by time, and those of the newest version.

    Attributes:
        before: until the drift.
        during: from the drift to the promotion.
        after: of the version that was promoted.
    """

    before: tuple[Answer, ...]
    during: tuple[Answer, ...]
    after: tuple[Answer, ...]


def judge(performance: Performance) -> Outcome:
    """Rescores all answers and judges the matured ones. Reads versions, promotions and bundles of the stage."""
    stage, project = performance.stage, load_project(performance.stage.project)
    ledger = Ledger.connect(stage.places.ledger)
    try:
        rescorer = Rescorer(ledger, stage.places, project.name)
        good = [answer for answer in performance.answers if not answer.failed]
        periods = periods_of(performance, duration(project.predict.matures))
        metric = project.predict.metric
        judged, gain = Quality(metric, quality(metric, periods.before)), None
        if len(performance.promotions) > 1:
            old = rescorer.outputs(performance.promotions[-2].version, periods.after)
            judged = Quality(
                metric, judged.before, quality(metric, periods.during), quality(metric, periods.after), quality(metric, periods.after, old)
            )
            gain = advantage(metric, periods.after, old, project.seed) if judged.after is not None else None
        return Outcome(
            versions=tuple(version.version for version in ledger.versions(project.name)),
            detected_after_seconds=_since_drift(performance, performance.retraining.received if performance.retraining else None),
            retrained_after_seconds=_since_drift(performance, performance.promotions[-1].at if len(performance.promotions) > 1 else None),
            requests=len(performance.answers),
            failed_requests=len(performance.answers) - len(good),
            wrong_answers=len(rescorer.wrong(good)),
            quality=judged,
            advantage=gain,
            false_alarm=is_false_alarm(performance),
        )
    finally:
        ledger.close()


def is_false_alarm(performance: Performance) -> bool:
    """Whether a retraining was asked for before anything had drifted, or though nothing did."""
    if performance.retraining is None:
        return False
    return performance.drifted is None or performance.clock.unix_of(performance.retraining.received) < performance.drifted


def periods_of(performance: Performance, matures: timedelta) -> Periods:
    """The answers whose outcome was known when the traffic ended, by period."""
    clock = performance.clock
    end = max((answer.happening.moment for answer in performance.answers), default=clock.origin)
    known = [answer for answer in matured(performance.answers, matures, end) if not answer.failed]
    drift = clock.at(performance.drifted) if performance.drifted else end
    promoted = performance.promotions[-1].at if len(performance.promotions) > 1 else end
    newest = performance.promotions[-1].version if len(performance.promotions) > 1 else None
    return Periods(
        before=tuple(answer for answer in known if answer.happening.moment < drift),
        during=tuple(answer for answer in known if drift <= answer.happening.moment < promoted and answer.version != newest),
        after=tuple(answer for answer in known if answer.version == newest),
    )


def told_outcome(outcome: Outcome) -> list[str]:
    """The outcome in lines for people."""
    judged = outcome.quality
    lines = [f"{outcome.requests:,} requests, {outcome.failed_requests} failed, {outcome.wrong_answers} wrong"]
    if outcome.detected_after_seconds is None:
        noticed = "a drift noticed that never was" if outcome.false_alarm else "no drift noticed, one version"
        return [*lines, f"{judged.metric} {_shown(judged.before)}, {noticed}"]
    replaced = _shown(outcome.retrained_after_seconds, 0)
    lines.append(f"noticed {outcome.detected_after_seconds:.0f} s after the drift, the version replaced {replaced} s after it")
    before, during, after = map(_shown, (judged.before, judged.during, judged.after))
    lines.append(f"{judged.metric} {before} before the drift, {during} until the promotion, {after} after")
    if outcome.advantage is not None:
        errors = outcome.advantage.difference / max(outcome.advantage.standard_error, 1e-12)
        old = _shown(judged.old_on_after)
        lines.append(f"the old version on the same rows {old}: the new one is better by {errors:.1f} standard errors")
    return lines


def _shown(value: float | None, digits: int = 3) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _since_drift(performance: Performance, moment: datetime | None) -> float | None:
    if performance.drifted is None or moment is None:
        return None
    return round(performance.clock.unix_of(moment) - performance.drifted, 1)

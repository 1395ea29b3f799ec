"""The page of the demonstration: the loop over time, from the first answer to the last."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.demo import Performance
from app.judge import Rescorer, matured, outcomes, told
from app.outcome import Outcome
from app.report.lines import Chart, Line, Mark, draw_chart
from app.report.pages import render
from app.simulate import Answer
from journey.clock import duration
from journey.errors import Untrusted
from journey.model.scores import score
from journey.project import load_project
from journey.records.entries import AuditEntry
from journey.records.ledger import Ledger

BIN_SECONDS = 5.0                  # holds 500 answers at 100 a second: enough for an area under the curve to 0.02
LEAST_IN_BIN = 200
BLUE, GREEN, AMBER, GREY = "#2563a8", "#2b7a4b", "#9a6a00", "#8a94a0"


@dataclass(frozen=True)
class Figure:
    """One of the few numbers at the top of the page."""

    label: str
    value: str


@dataclass(frozen=True)
class Event:
    """Something that happened, in seconds after the first answer."""

    seconds: float
    platform: str
    text: str


def write_timeline(performance: Performance, outcome: Outcome, page: Path) -> Path:
    """Writes the page of a performance; gives its path."""
    project = load_project(performance.stage.project)
    ledger = Ledger.connect(performance.stage.places.ledger)
    try:
        rescorer = Rescorer(ledger, performance.stage.places, project.name)
        end = max(answer.asked for answer in performance.answers) - performance.first
        marks = _marks(performance)
        metric = project.predict.metric
        known = _known(performance)
        html = render(
            "timeline.html",
            model=project.name,
            lead=_lead(outcome),
            figures=_figures(outcome),
            metric=metric,
            bin_seconds=f"{BIN_SECONDS:g}",
            quality=draw_chart(Chart(metric, _quality(performance, known, rescorer, metric), marks, end, 0.4, 1.0)),
            drift=draw_chart(Chart("drift", _drift(performance), marks, end, 0.0, 4.0)),
            latency=draw_chart(Chart("latency", _latency(performance), marks, end, 0.0, 50.0)),
            events=_events(performance),
            audit=ledger.audit_trail(project.name),
            audit_verdict=_verdict(ledger, ledger.audit_trail(project.name)),
            command="make demo",
        )
    finally:
        ledger.close()
    page.write_text(html, encoding="utf-8")
    return page


def _known(performance: Performance) -> list[Answer]:
    project = load_project(performance.stage.project)
    end = performance.clock.at(max(answer.asked for answer in performance.answers))
    return [answer for answer in matured(performance.answers, duration(project.predict.matures), end) if not answer.failed]


def _lead(outcome: Outcome) -> str:
    if outcome.false_alarm:
        return "A retraining was asked for before anything had changed: a false alarm."
    if outcome.detected_after_seconds is None:
        return "Steady traffic, and nothing changed: no alarm, no retraining, one version."
    return "A model was trained, registered and served; the world turned; the loop noticed, learned and put a better version in place."


def _figures(outcome: Outcome) -> list[Figure]:
    judged = outcome.quality
    shown = (
        ("requests", f"{outcome.requests:,}"),
        ("failed", str(outcome.failed_requests)),
        ("wrong", str(outcome.wrong_answers)),
        ("seconds until noticed", _number(outcome.detected_after_seconds, 1)),
        ("seconds until replaced", _number(outcome.retrained_after_seconds, 1)),
        (f"{judged.metric} before", _number(judged.before, 3)),
        (f"{judged.metric} during", _number(judged.during, 3)),
        (f"{judged.metric} after", _number(judged.after, 3)),
        ("the old version after", _number(judged.old_on_after, 3)),
    )
    return [Figure(label, value) for label, value in shown if value]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _marks(performance: Performance) -> tuple[Mark, ...]:
    return tuple(Mark(event.seconds, event.text) for event in _turns(performance))


def _turns(performance: Performance) -> list[Event]:
    """The drift, its discovery and what came of it."""
    clock, turns = performance.clock, []
    if performance.drifted is not None:
        turns.append((performance.drifted, "the world turns"))
    if performance.retraining is not None:
        turns.append((clock.unix_of(performance.retraining.received), "noticed"))
    turns.extend((clock.unix_of(one.at), f"version {one.version} promoted") for one in performance.promotions[1:])
    return [Event(unix - performance.first, f"{clock.at(unix):%Y-%m-%d %H:%M}", text) for unix, text in turns]


def _events(performance: Performance) -> list[Event]:
    clock, retraining = performance.clock, performance.retraining
    told_of = [Event(0.0, f"{clock.at(performance.first):%Y-%m-%d %H:%M}", "the first question"), *_turns(performance)]
    if retraining is not None and retraining.onset is not None:
        seconds = clock.unix_of(retraining.onset) - performance.first
        told_of.append(Event(seconds, f"{retraining.onset:%Y-%m-%d %H:%M}", "the monitor's onset of the drift"))
    last = max(answer.asked for answer in performance.answers)
    told_of.append(Event(last - performance.first, f"{clock.at(last):%Y-%m-%d %H:%M}", "the last question"))
    return sorted(told_of, key=lambda event: event.seconds)


def _binned(performance: Performance, answers: Sequence[Answer]) -> Mapping[float, list[Answer]]:
    """Answers by the middle of their bin, in seconds after the first."""
    bins: dict[float, list[Answer]] = defaultdict(list)
    for answer in answers:
        bins[((answer.asked - performance.first) // BIN_SECONDS + 0.5) * BIN_SECONDS].append(answer)
    return dict(sorted(bins.items()))


def _quality(performance: Performance, known: Sequence[Answer], rescorer: Rescorer, metric: str) -> tuple[Line, ...]:
    bins = {middle: its for middle, its in _binned(performance, known).items() if len(its) >= LEAST_IN_BIN}
    points = tuple((middle, score(metric, outcomes(its), told(its))) for middle, its in bins.items())
    lines = [Line("the version that answered", points, BLUE)]
    if len(performance.promotions) > 1:
        old, since = performance.promotions[-2].version, performance.clock.unix_of(performance.promotions[-1].at) - performance.first
        later = {middle: its for middle, its in bins.items() if middle >= since - BIN_SECONDS}
        stayed = tuple((middle, score(metric, outcomes(its), rescorer.outputs(old, its))) for middle, its in later.items())
        lines.append(Line(f"had version {old} stayed", stayed, AMBER, dashed=True))
    return tuple(lines)


def _drift(performance: Performance) -> tuple[Line, ...]:
    """By window, the largest PSI against its limit, where the window was whole."""
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    path = performance.stage.home / "up" / "monitor.jsonl"
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        found = json.loads(text)
        for window, worst in found["worst"].items():
            if worst["whole"]:
                points[window].append((found["unix"] - performance.first, worst["psi"] / worst["limit"]))
    colours = {"1d": BLUE, "7d": GREEN}
    lines = [Line(f"over {window}", tuple(points[window]), colour) for window, colour in colours.items() if window in points]
    end = max(answer.asked for answer in performance.answers) - performance.first
    return (*lines, Line("the limit", ((0.0, 1.0), (end, 1.0)), GREY, dashed=True))


def _latency(performance: Performance) -> tuple[Line, ...]:
    bins = {middle: [1000 * answer.seconds for answer in its] for middle, its in _binned(performance, performance.answers).items()}
    middle = tuple((seconds, float(np.median(its))) for seconds, its in bins.items())
    slow = tuple((seconds, float(np.quantile(its, 0.99))) for seconds, its in bins.items())
    return Line("median", middle, BLUE), Line("99 of 100 were faster", slow, AMBER)


def _verdict(ledger: Ledger, trail: Sequence[AuditEntry]) -> str:
    try:
        held = ledger.verify_audit()
    except Untrusted as error:
        return f"The audit log does NOT hold: {error}"
    return f"Each line's hash covers the line before: all {held} lines hold, {len(trail)} of them are shown."

"""The rule file judges as monitoring.evaluate does: Prometheus' own promtool runs it over series that are made here."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from journey.errors import ProjectError
from journey.sections import Monitoring
from journey.watching.drift import Evidence, Expected, evidence_of
from monitoring.promql import LEAST_SCRAPES, Timing, rule_file, span
from monitoring.rules import FEATURE_ALERT, MODEL_ALERT, rules_of

MANIFEST = Path(__file__).resolve().parents[2] / "manifests" / "base" / "prometheus" / "rules.yaml"
RULES = rules_of(("1h", "1d"))
REFERENCE = {"00": 0.25, "01": 0.25, "02": 0.25, "03": 0.2499, "nan": 0.0001}
ROWS = 20_000
KAPPA = 0.0005
LIMITS = {"1h": 0.1, "1d": 0.05, "7d": 0.01}
STEP = timedelta(minutes=5)                    # between two scrapes here, so that promtool has little to do; slices are of 20 minutes
TIMING = Timing(STEP)
SAME, MOVED = {"00": 15, "01": 15, "02": 15, "03": 15, "nan": 0}, {"00": 30, "01": 15, "02": 8, "03": 7, "nan": 0}      # rows in a step
NONE = dict.fromkeys(REFERENCE, 0)
WHICH = {"model": "payments", "version": "2"}
MODEL_LABELS = {**WHICH, "severity": "warning", "action": "retrain", "class": "drift"}

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="expected promtool (Debian: prometheus) on PATH, found none")


@dataclass
class Traffic:
    """What one pod counts: phases of (hours, rows in each step by bin); a phase of None is a pod that is away."""

    hours: Sequence[tuple[float, Mapping[str, int] | None]]
    pod: str = "a"
    role: str = "champion"
    resets: bool = False           # whether each phase begins with a process that has counted nothing
    step: timedelta = STEP

    @property
    def phases(self) -> list[tuple[int, Mapping[str, int] | None]]:
        """The phases in steps."""
        return [(round(timedelta(hours=hours) / self.step) - 1, rows) for hours, rows in self.hours]       # promtool's x3 is four values

    def series(self) -> list[dict[str, str]]:
        there = " ".join(f"{'1' if rows is not None else '_'}x{steps}" for steps, rows in self.phases)
        shared = [(f'journey_model_info{{{_labels(role=self.role, pod=self.pod)}}}', there)]
        for name, value, more in (
            *(("reference_probability", share, {"bin": at}) for at, share in REFERENCE.items()),
            *(("psi_limit", limit, {"window": window}) for window, limit in LIMITS.items()),
            ("reference_rows", ROWS, {}),
            ("overdispersion", KAPPA, {}),
        ):
            values = " ".join(f"{value if rows is not None else '_'}x{steps}" for steps, rows in self.phases)
            shared.append((f"journey_feature_{name}{{{_labels(feature='amount', pod=self.pod, **more)}}}", values))
        counter = "journey_feature_bin_total"
        counted = [(f"{counter}{{{_labels(feature='amount', bin=at, pod=self.pod)}}}", self._counts(at)) for at in REFERENCE]
        return [{"series": name, "values": values} for name, values in (*shared, *counted)]

    def _counts(self, at: str) -> str:
        parts, total = [], 0
        for steps, rows in self.phases:
            if rows is None:
                parts.append(f"_x{steps}")
                continue
            total = 0 if self.resets else total
            parts.append(f"{total}+{rows[at]}x{steps}")
            total += rows[at] * (steps + 1)
        return " ".join(parts)


@dataclass
class Asked:
    """What promtool is to find."""

    traffic: Sequence[Traffic]
    rules: str = field(default_factory=lambda: rule_file(RULES, TIMING))
    alerts: list[dict[str, object]] = field(default_factory=list)
    numbers: list[dict[str, object]] = field(default_factory=list)

    def model_alert(self, at: str, count: int | None) -> "Asked":
        """The alert that asks for a retraining: with so many features, or none at all."""
        told = {"exp_labels": MODEL_LABELS, "exp_annotations": {"summary": f"inputs of payments 2 have drifted: {count} of them"}}
        self.alerts.append({"eval_time": at, "alertname": MODEL_ALERT, "exp_alerts": [told] if count else []})
        return self

    def number(self, at: str, series: str, value: float, tolerance: float) -> "Asked":
        """A recorded series has this value, or one that is near."""
        own = ", ".join(f'{name}="{label}"' for name, label in {**WHICH, "feature": "amount"}.items())
        expression = f"abs({series} - {value!r}) <= bool {tolerance!r}"
        self.numbers.append({"eval_time": at, "expr": expression, "exp_samples": [{"labels": f"{{{own}}}", "value": 1}]})
        return self

    def none(self, at: str, series: str) -> "Asked":
        """A recorded series is not there."""
        self.numbers.append({"eval_time": at, "expr": series, "exp_samples": []})
        return self

    def check(self, folder: Path) -> None:
        """Runs promtool."""
        (folder / "rules.yaml").write_text(self.rules)
        every = yaml.safe_load(self.rules)["groups"][0]["interval"]
        series = [one for traffic in self.traffic for one in traffic.series()]
        asked = {"alert_rule_test": self.alerts, "promql_expr_test": self.numbers}
        test = {"interval": span(self.traffic[0].step), "input_series": series, **asked}
        (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": [test]}))
        done = subprocess.run(["promtool", "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _labels(**more: str) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in {**WHICH, **more}.items())


def evidence(rows: Mapping[str, int], hours: float, kappa: float = 0.0, step: timedelta = STEP) -> Evidence:
    """What our own evaluation finds in so many hours."""
    counts = np.array([round(rows[at] * (timedelta(hours=hours) / step)) for at in REFERENCE])
    return evidence_of(counts, Expected(np.array(list(REFERENCE.values())), ROWS, kappa), hours / 24)


@promtool
@pytest.mark.parametrize("timing", [Timing(), Timing(timedelta(seconds=1), 288.0)], ids=["real time", "a day of five minutes"])
def test_promtool_finds_nothing_wrong_with_the_file(tmp_path, timing):
    (tmp_path / "rules.yaml").write_text(rule_file(rules_of(("1h", "1d", "7d", "1.5d")), timing))
    done = subprocess.run(["promtool", "check", "rules", "--lint-fatal", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@promtool
def test_drift_is_told_once_it_has_lasted_and_not_before(tmp_path):
    asked = Asked([Traffic([(48, SAME), (24, MOVED)])])
    for silent in ("12h", "30h", "48h"):
        asked.model_alert(silent, None)
    asked.none("48h", "journey:drifted:1d").model_alert("70h", 1).check(tmp_path)


@promtool
def test_without_drift_nothing_is_told(tmp_path):
    asked = Asked([Traffic([(52, SAME)])])
    for silent in ("6h", "25h", "50h"):
        asked.model_alert(silent, None)
    asked.none("50h", "journey:drifted:1h").none("50h", "journey:drifted:1d").number("50h", "journey:psi:1d", 0.0, 0.001).check(tmp_path)


@promtool
def test_a_part_of_a_window_is_no_sample_of_it(tmp_path):
    asked = Asked([Traffic([(1, NONE), (48, MOVED)])])                                 # up for an hour before it is asked anything
    asked.number("24h", "journey:psi:1d", evidence(MOVED, 23).psi, 0.01)               # there is evidence
    asked.none("24h", "journey:drifted:1d").model_alert("24h", None)
    asked.number("26h", "journey:drifted:1d", evidence(MOVED, 24).psi, 0.01).model_alert("26h", 1)
    asked.none("100m", "journey:drifted:1h").number("140m", "journey:drifted:1h", evidence(MOVED, 1).psi, 0.01)
    asked.check(tmp_path)


@promtool
def test_a_day_of_which_half_was_not_counted_is_no_day(tmp_path):
    away = Traffic([(30, MOVED), (10, None), (40, MOVED)], resets=True)
    Asked([away]).none("48h", "journey:drifted:1d").number("65h", "journey:drifted:1d", evidence(MOVED, 24).psi, 0.01).check(tmp_path)


@promtool
def test_an_hour_is_for_people_and_asks_for_no_retraining(tmp_path):
    asked = Asked([Traffic([(12, SAME), (4, MOVED)])], rule_file(rules_of(("1h",)), TIMING))
    asked.alerts.append({"eval_time": "15h", "alertname": FEATURE_ALERT, "exp_alerts": [{
        "exp_labels": {**WHICH, "feature": "amount", "severity": "info", "window": "1h"},
        "exp_annotations": {"summary": "amount of payments 2 has drifted: PSI 0.35 over 1h"},
    }]})  # fmt: skip
    asked.model_alert("15h", None).check(tmp_path)


@promtool
def test_only_who_answers_as_champion_is_judged(tmp_path):
    Asked([Traffic([(48, MOVED)], role="held")]).none("47h", "journey:drifted:1d").model_alert("47h", None).check(tmp_path)


@promtool
def test_the_numbers_are_those_of_our_own_evaluation(tmp_path):
    quarter = timedelta(minutes=15)                # slices of an hour, for windows up to a week
    asked = Asked([Traffic([(190, MOVED)], step=quarter)], rule_file(rules_of(("1h", "1d", "7d")), Timing(quarter)))
    for window, hours, kappa in (("1h", 1, 0.0), ("1d", 24, 0.0), ("7d", 168, KAPPA)):
        found = evidence(MOVED, hours, kappa, quarter)
        asked.number("180h", f"journey:rows:{window}", found.rows, 0.5)
        asked.number("180h", f"journey:psi:{window}", found.psi, 1e-6)
        asked.number("180h", f"journey:jensen_shannon:{window}", found.jensen_shannon, 1e-6)
        asked.number("180h", f"journey:chi_square:{window}", found.chi_square, found.chi_square * 1e-6)
        asked.number("180h", f"journey:z:{window}", found.z, found.z * 1e-6)
    asked.check(tmp_path)


@promtool
def test_pods_are_added_up_and_a_counter_that_starts_anew_takes_nothing_away(tmp_path):
    first = Traffic([(20, MOVED), (20, MOVED)], pod="a", resets=True)
    second = Traffic([(30, None), (10, MOVED)], pod="b")
    rows = evidence(MOVED, 24 + 9).rows
    asked = Asked([first, second]).number("39h", "journey:rows:1d", rows, 0.02 * rows)
    asked.number("39h", "journey:psi:1d", evidence(MOVED, 24).psi, 0.005).model_alert("39h", 1).check(tmp_path)


@promtool
def test_few_rows_are_no_verdict(tmp_path):
    rare = NONE | {"00": 3}                                                            # 36 rows an hour
    asked = Asked([Traffic([(26, rare), (24, NONE)])]).number("25h", "journey:drifted:1d", evidence(rare, 24).psi, 0.1)
    asked.none("40h", "journey:drifted:1d").number("40h", "journey:rows:1d", 36 * 10, 40).check(tmp_path)


@promtool
def test_the_alarm_goes_on_for_a_while_after_the_evidence_has_gone(tmp_path):
    asked = Asked([Traffic([(12, SAME), (3, MOVED), (8, SAME)])])
    asked.numbers += [
        {"eval_time": at, "expr": f'sum(ALERTS{{alertname="{FEATURE_ALERT}", window="1h", alertstate="firing"}})',
         "exp_samples": [{"labels": "{}", "value": 1}] if firing else []}
        for at, firing in (("12h20m", False), ("14h", True), ("15h", True), ("16h20m", True), ("18h", False))
    ]  # fmt: skip
    asked.check(tmp_path)


@promtool
def test_the_default_file_tells_of_drift_within_two_hours_of_a_day(tmp_path):
    Asked([Traffic([(28, MOVED)])], rule_file(RULES)).model_alert("23h", None).model_alert("26h", 1).check(tmp_path)


def test_no_rate_is_taken_over_fewer_than_four_scrapes_however_short_a_day_is():
    for scrape, day in ((1, 300), (5, 3600), (15, 86_400), (0.25, 20)):
        timing = Timing(timedelta(seconds=scrape), 86_400 / day)
        assert timing.slice(RULES) >= LEAST_SCRAPES * timedelta(seconds=scrape)
    quick = yaml.safe_load(rule_file(rules_of(("1h", "1d")), Timing(timedelta(seconds=1), 288.0)))["groups"][0]
    assert quick["interval"] == "4s"
    by_name = {rule.get("record", rule.get("alert")): rule for rule in quick["rules"]}
    assert "[4s]" in by_name["journey:bin_rows:slice"]["expr"]
    assert "[298s]" in by_name["journey:bin_rows:1d"]["expr"]                 # 75 slices of 4 s: a day of five minutes
    assert (by_name[MODEL_ALERT]["for"], by_name[MODEL_ALERT]["keep_firing_for"]) == ("6250ms", "12500ms")
    assert 'window="1d"' in by_name["journey:drifted:1d"]["expr"]             # the limit stays the bundle's, by its platform window


def test_a_window_that_holds_too_few_scrapes_is_refused_with_what_to_do():
    with pytest.raises(ProjectError, match=r"found 1h, which is 12500ms here, with a scrape every 15s. Scrape more often \(--scrape\)"):
        rule_file(RULES, Timing(timedelta(seconds=15), 288.0))


def test_the_manifest_is_what_the_rules_of_a_plain_project_give():
    assert MANIFEST.read_text() == rule_file(rules_of(Monitoring().windows)), (
        "make it anew: journey compile --to rules -p examples/payments -o manifests/base/prometheus/rules.yaml"
    )


@pytest.mark.parametrize(
    ("length", "written"), [(timedelta(days=7), "7d"), (timedelta(minutes=90), "90m"), (timedelta(seconds=6.25), "6250ms")]
)
def test_spans_are_written_as_prometheus_reads_them(length, written):
    assert span(length) == written

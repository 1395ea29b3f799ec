"""`journey compile` writes what other engines read, and says what an option should have been."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from app.cli.main import application
from journey.sections import Monitoring
from monitoring.promql import rule_file
from monitoring.rules import MODEL_ALERT, rules_of

PAYMENTS = Path(__file__).resolve().parents[3] / "examples" / "payments"


def compiled(*words: str) -> Result:
    return CliRunner().invoke(application(["compile"]), ["compile", "-p", str(PAYMENTS), *words])


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch):
    monkeypatch.delenv("JOURNEY_CLOCK", raising=False)


def every(text: str) -> str:
    return yaml.safe_load(text)["groups"][0]["interval"]


def test_the_rules_are_those_of_the_projects_windows(tmp_path):
    written = tmp_path / "made" / "rules.yaml"
    assert compiled("--to", "rules", "-o", str(written)).exit_code == 0
    assert written.read_text() == rule_file(rules_of(Monitoring().windows))


def test_a_shorter_day_is_the_options_or_else_the_clocks(monkeypatch):
    quick = compiled("--to", "rules", "--scrape", "1s", "--day", "5m").stdout
    assert every(quick) == "4s"
    monkeypatch.setenv("JOURNEY_CLOCK", "2026-03-01T00:00:00Z@1767225600x288")
    assert compiled("--to", "rules", "--scrape", "1s").stdout == quick
    lasting = next(rule for rule in yaml.safe_load(quick)["groups"][0]["rules"] if rule.get("alert") == MODEL_ALERT)
    assert lasting["for"] == "6250ms"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scrape", "often"), "expected a duration such as 90s, 15m, 6h or 30d, found 'often'"),
        (("--scrape", "0s"), "expected more than no time, found 0s"),
        (("--day", "0s"), "expected more than no time, found 0s"),
    ],
)
def test_a_span_that_is_none_is_a_mistake_of_usage(words, said):
    ended = compiled("--to", "rules", *words)
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())


@pytest.mark.parametrize(("words", "said"), [
    (("--to", "rules", "--target", "prod"), "target: expected one of kind, local, found 'prod'"),
    (("--target", "prod"), "target: expected one of kind, local, found 'prod'"),
    (("--to", "rules", "--day", "5m"), "found 1h, which is 12500ms here, with a scrape every 15s"),
])  # fmt: skip
def test_what_the_project_has_not_is_told(words, said):
    ended = compiled(*words)
    assert said in str(ended.exception)


def test_the_pipeline_of_a_target_says_what_each_step_is_given():
    spec, platform = yaml.safe_load_all(compiled("--target", "kind", "--image", "steps@sha256:0").stdout)
    assert "exec-containerize-model" in spec["deploymentSpec"]["executors"]
    assert "secretAsVolume" in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-package-model"]
    assert len(list(yaml.safe_load_all(compiled().stdout))) == 1

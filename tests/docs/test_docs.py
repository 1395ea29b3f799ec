"""What docs/ says holds: its examples are valid, and no key, rule or metric is left out or told with another default."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import ibis
import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.operations.retrain import FINAL
from feature_repo.views import write_views
from journey.checking.shape import _NOT_BUILT, _NOT_BUILT_VALUES
from journey.declarations import load_candidates, load_declarations, load_request_features
from journey.model.estimators import KINDS
from journey.project import METRICS, load_project, problems
from journey.records.entries import RETRAINING_ORDER
from journey.section import Section
from journey.sections import (
    ESTIMATORS,
    Bound,
    Features,
    FilesSource,
    Gates,
    Monitoring,
    Predict,
    Project,
    Retraining,
    RowCount,
    Search,
    Spine,
    Split,
    SqlSource,
    Table,
)
from journey.targets import DataVolume, Resources, Target
from journey.values.rules import ColumnRule
from journey.watching import metric_names
from journey.watching.bins import FLOORS
from monitoring.alerts import Webhook
from monitoring.promql import LEAST_SCRAPES, rule_file
from monitoring.rules import rules_of
from pipelines.alerts import asked_of
from serving.protocol import read_feedback, read_predictions

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROJECT, SERVING, LOOP = ((DOCS / name).read_text(encoding="utf-8") for name in ("project.md", "serving.md", "loop.md"))
SECTIONS: Mapping[type[BaseModel], str] = {
    Project: "### The file",
    FilesSource: "### A source of files",
    SqlSource: "### A source in a database",
    Table: "### A table",
    RowCount: "`rows`:",
    Spine: "### The spine",
    Predict: "### predict",
    Split: "### split",
    Features: "### features",
    Search: "### search",
    Gates: "### gates",
    Bound: "A bound has",
    Monitoring: "### monitoring",
    Retraining: "### retraining",
    Target: "### targets",
    DataVolume: "`data`:",
    Resources: "`resources`, in Kubernetes",
    ColumnRule: "## Column rules",
}
EXPORTED = [value for name, value in vars(metric_names).items() if name.isupper()]


def fences(text: str, language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language, each with the name that stands behind it."""
    return re.findall(rf"^```{language} ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


WHOLE = [body for name, body in fences(PROJECT, "yaml") if not name]
TARGET = dict(fences(PROJECT, "yaml"))["target"]
PYTHON = dict(fences(PROJECT, "python"))


def rows_below(heading: str) -> dict[str, list[str]]:
    """The first table below a line that begins so: its first cell without backticks > the others."""
    below = PROJECT[PROJECT.index(f"\n{heading}") :]
    table = re.search(r"\n\n((?:\|.*\n)+)", below)
    assert table is not None
    cells = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table[1].splitlines()[2:]]
    return {row[0].strip("` "): row[1:] for row in cells}


def fields() -> list[tuple[type[BaseModel], str, FieldInfo]]:
    return [(model, name, field) for model in SECTIONS for name, field in model.model_fields.items()]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The worked example as a folder."""
    (tmp_path / "project.yaml").write_text(WHOLE[1])
    for name, body in PYTHON.items():
        (tmp_path / name).write_text(body)
    return tmp_path


def test_the_smallest_project_is_a_project(tmp_path):
    (tmp_path / "project.yaml").write_text(WHOLE[0])
    assert problems(tmp_path) == ()


def test_the_worked_example_is_a_project_and_its_files_declare_what_it_names(shop):
    assert set(PYTHON) == {"request_features.py", "features.py", "models.py"}
    assert problems(shop) == ()
    project, declared = load_project(shop), load_declarations(shop)
    assert [label.name for label in declared.labels] == [project.predict.label]
    assert {view.entity for view in declared.views} == set(project.entities)
    assert [function.type for function in load_request_features(shop / "request_features.py")] == ["boolean", "float"]
    (own,) = load_candidates(shop)
    assert set(own.tunes) <= set(own(project.predict.task, project.seed).get_params())


def test_the_worked_examples_view_and_label_can_be_computed(shop, tmp_path):
    backend = ibis.duckdb.connect()
    try:
        backend.raw_sql(
            "CREATE TABLE payments AS SELECT 'p' || i AS payment_id, 'c1' AS card_id, i::DOUBLE AS amount, 'phone' AS channel,"
            " false AS test, TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (i) DAY AS paid_at FROM range(10) t(i)"
        )
        backend.raw_sql("CREATE TABLE disputes AS SELECT payment_id, paid_at + INTERVAL 1 HOUR AS opened_at FROM payments LIMIT 1")
        tables = {name: backend.table(name) for name in ("payments", "disputes")}
        declared = load_declarations(shop)
        (view,) = write_views(declared.views, tables, load_project(shop).entities, tmp_path / "views")
        assert [feature.default for feature in view.lookup.features] == [0, None]
        label = declared.labels[0].compute(tables).to_pyarrow().to_pylist()
        assert sum(row["disputed"] for row in label) == 1
        assert set(label[0]) == {"payment_id", "disputed", "known_at"}
    finally:
        backend.disconnect()


def test_every_section_of_a_project_has_a_table():
    def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
        def within(annotation: object) -> set[type[BaseModel]]:
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                return {annotation} | sections(annotation)
            return {found for inner in getattr(annotation, "__args__", ()) for found in within(inner)}

        return {found for field in model.model_fields.values() for found in within(field.annotation)}

    assert sections(Project) | {Project} == set(SECTIONS)


@pytest.mark.parametrize(("model", "name", "field"), fields(), ids=lambda part: getattr(part, "__name__", str(part)[:20]))
def test_every_key_is_in_its_table_with_its_default(model, name, field):
    told = rows_below(SECTIONS[model])
    assert name in told, f"{SECTIONS[model]} has no row `{name}`"
    assert told[name][1].strip("`") == default_of(field)


@pytest.mark.parametrize("model", SECTIONS)
def test_no_table_has_a_key_that_is_not_there(model):
    assert set(rows_below(SECTIONS[model])) == set(model.model_fields)


def default_of(field: FieldInfo) -> str:
    """A default as the tables write it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, Section):
        return "all defaults"
    if isinstance(value, tuple):
        quoted = any(not re.fullmatch(r"[0-9]+[smhd]", item) for item in value)
        return json.dumps(list(value)) if quoted else f"[{', '.join(value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {{engine: {item.engine}}}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) and value[:1].isalnum() else json.dumps(value)


def test_the_rules_parts_are_told_in_the_order_in_which_they_are_applied():
    assert list(rows_below("## Column rules")) == list(ColumnRule.model_fields)


def test_what_is_refused_by_name_is_listed():
    listed = PROJECT[PROJECT.index("### Not supported") : PROJECT.index("## Column rules")]
    for path in _NOT_BUILT:
        told = path.rpartition(".")[2] if "*" in path else path
        assert f"`{told}`" in listed
    for values in _NOT_BUILT_VALUES.values():
        assert all(f"`{value}`" in listed for value in values)


def test_metrics_and_candidates_are_told_with_their_tasks():
    metrics = rows_of("| task | metrics |")
    for task in ("binary", "multiclass", "regression"):
        assert re.findall(r"`(\w+)`", metrics[task][0]) == [name for name, tasks in METRICS.items() if task in tasks]
    told = rows_of("| name | tasks |")
    assert list(told) == list(ESTIMATORS)
    for name, (tasks, _, searched) in told.items():
        assert tasks == ("all" if len(ESTIMATORS[name]) == 3 else ", ".join(ESTIMATORS[name]))
        assert re.findall(r"`(\w+)`", searched) == list(KINDS[name].space)


def rows_of(head: str, text: str = PROJECT) -> dict[str, list[str]]:
    """The rows of the table whose head begins so."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("` "): row[1:] for row in cells}


@pytest.mark.parametrize("name", EXPORTED)
def test_every_metric_is_told(name):
    assert name in rows_of("| metric | kind |", SERVING)


def test_no_metric_is_told_that_does_not_exist():
    assert set(rows_of("| metric | kind |", SERVING)) == set(EXPORTED)


def test_the_servers_bodies_are_of_its_protocol():
    asked = answers = 0
    for _, body in fences(SERVING, "json"):
        document = json.loads(body)
        if "feedback" in document:
            assert read_feedback(body.encode())
        elif "jsonData" in document or ("data" in document and "meta" not in document):
            assert read_predictions(body.encode(), 1_000).rows
            asked += 1
        else:
            assert "status" in document or "meta" in document
            answers += 1
    assert (asked, answers) == (4, 3)


def test_the_alert_is_one_that_the_trigger_takes():
    (_, body), _answer = fences(LOOP, "json")
    (alert,) = Webhook.model_validate_json(body).alerts
    asked = asked_of(alert)
    assert (asked.model, asked.version, asked.trigger) == ("payments", 1, "drift")
    assert asked.onset is not None
    assert alert.starts_at - asked.onset == rules_of(("1d",)).lasts


def test_the_limits_of_drift_are_those_of_the_rules():
    rules = rules_of(("1h", "1d", "7d"))
    assert (rules.pace, rules.lasts, rules.keeps) == (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1))
    for words in ("Every 5 minutes", "at every evaluation for 30 minutes", "no evidence for an hour"):
        assert words in " ".join(LOOP.split())
    told = rows_of("| | limit |", LOOP)
    assert [float(number) for number in re.findall(r"0\.\d+", told["PSI"][0])] == [floor for _, floor in reversed(FLOORS)]
    assert {rule.z for rule in rules.windows} == {float(told["z"][0].split()[-1])}
    assert {rule.rows for rule in rules.windows} == {int(told["rows"][0].split()[-1])}


def test_the_rules_for_prometheus_are_told_as_they_are_written():
    (group,) = yaml.safe_load(rule_file(rules_of(("1d",))))["groups"]
    told = set(re.findall(r"`(journey:[a-z0-9_:]+)`", LOOP))
    recorded = {rule["record"] for rule in group["rules"] if "record" in rule}
    assert told <= recorded
    assert {name for name in recorded if name.endswith(":1d")} <= told
    assert (group["interval"], LEAST_SCRAPES) == ("5m", 4)
    for rule in group["rules"]:
        if "alert" in rule:
            (labels, _) = rows_of("| alert | labels |", LOOP)[rule["alert"]]
            given = {f"{name}: {value}" for name, value in rule["labels"].items() if name != "window"}
            assert set(re.findall(r"`(\w+: \w+)`", labels)) == given


def test_a_retrainings_states_are_told_in_their_order():
    told = list(rows_of("| state | meaning |", LOOP))
    assert told == sorted(RETRAINING_ORDER, key=lambda state: RETRAINING_ORDER[state])
    assert sum(order == FINAL for order in RETRAINING_ORDER.values()) == 3


def test_the_example_of_a_target_is_one(shop):
    (shop / "project.yaml").write_text(WHOLE[1] + TARGET)
    assert problems(shop) == ()
    assert set(load_project(shop).targets["kind"].model_fields_set) == set(Target.model_fields)


def test_the_yaml_examples_are_the_two_projects():
    assert len(WHOLE) == 2
    assert all("spine" in yaml.safe_load(body) for body in WHOLE)

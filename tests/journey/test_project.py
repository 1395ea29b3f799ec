"""A project is read whole or refused with everything that is wrong, by file, line and nearest name. None of its Python is run."""

import subprocess
import sys
from pathlib import Path

import pytest

from journey.errors import ProjectError
from journey.project import ESTIMATORS, METRICS, FilesSource, SqlSource, load_project, problems
from journey.values.carried import restored
from journey.values.columns import ColumnRule
from pipelines.sections import sections_of

GOOD = """\
format: 1
name: payments
seed: 7
sources:
  payments: {sql: "${BANK_URL}", table: payments, lag: 1h}
  cards: {files: "data/cards/*.parquet"}
tables:
  payments:
    key: payment_id
    columns:
      payment_id: {type: string}
      card_id: {type: string, required: true, pii: true}
      paid_at: {type: timestamp, required: true}
      amount: {type: float, scale: 0.01, range: [0.01, 20000]}
      channel: {type: category, null: ["", "??", 007], values: [online, NO, 1.10]}
      fraud: {type: boolean, true: [yes, 1], false: [no, 0]}
  cards:
    columns:
      card_id: {type: string}
spine: payments
time: paid_at
entities: {card: card_id}
predict: {label: disputed, task: binary, positive: true, metric: average_precision, matures: 30d}
split: {by: time, window: 90d, validation: 0.15, test: 0.15}
features: {drop: [channel], refresh: 1h, history: 30d}
candidates: [logistic, {random_forest: {max_depth: 12}}, models.stacked]
gates:
  model: {average_precision: {min: 0.30}, over_dummy: {min: 0.10}}
monitoring: {windows: [1h, 1d]}
"""
REQUEST = "import math\nfrom datetime import datetime\n\ndef night(paid_at: datetime) -> bool:\n    return paid_at.hour < 6\n"
FEATURES = """\
import ibis
from journey import feature_view, label

@feature_view(entity="card", time="paid_at", ttl="30d")
def card_history(payments, cards):
    raise RuntimeError("never run by check")

@label
def disputed(payments):
    raise RuntimeError("never run by check")
"""
MODELS = "import journey\n\n@journey.candidate(tunes={'max_depth': (3, 12)})\ndef stacked(task, seed):\n    return None\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"project.yaml": GOOD, "request_features.py": REQUEST, "features.py": FEATURES, "models.py": MODELS}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def changed(folder: Path, old: str, new: str, file: str = "project.yaml") -> list[str]:
    """What is wrong once a part of a file is replaced."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return [str(problem) for problem in problems(folder)]


def test_a_whole_float_of_a_candidate_stays_a_float(folder):
    assert changed(folder, "max_depth: 12", "max_features: 1.0, max_depth: 12") == []
    project = load_project(folder)
    assert repr(project.candidates[1]) == "{'random_forest': {'max_features': 1.0, 'max_depth': 12}}"
    assert repr(restored(sections_of(project, folder, "").candidates[1])) == repr(project.candidates[1])


def test_a_table_may_not_be_called_as_the_file_of_broken_rows(folder):
    text = (folder / "project.yaml").read_text(encoding="utf-8")
    (folder / "project.yaml").write_text(text.replace("  cards:", "  quarantine:"), encoding="utf-8")
    assert [str(problem) for problem in problems(folder) if problem.where == "tables.quarantine"] == [
        "project.yaml:17: tables.quarantine: expected another name, found 'quarantine': "
        "a file of that name beside the tables is Journey's own; rename it"
    ]


def test_a_good_project_is_read_with_its_sections(folder):
    project = load_project(folder)
    assert problems(folder) == ()
    assert isinstance(project.sources["payments"], SqlSource)
    assert isinstance(project.sources["cards"], FilesSource)
    assert project.sources["payments"].sql == "${BANK_URL}"
    assert project.curate_plan().lag == "1h"
    assert project.curate_plan().history == "30d"
    assert project.extract_plan().entities == {"card": "card_id"}
    assert project.select_plan().drop == ("channel",)
    assert project.model_plan().by_time
    assert project.package_plan().key == "payment_id"
    assert project.package_plan().windows == ("1h", "1d")


def test_words_of_column_rules_stay_as_they_are_written(folder):
    columns = load_project(folder).spine_table.columns
    assert columns["channel"].null == ("", "??", "007")
    assert columns["channel"].values == ("online", "NO", "1.10")
    assert columns["fraud"] == ColumnRule(type="boolean", true=("yes", "1"), false=("no", "0"))


def test_the_digest_of_the_deciding_sections_knows_what_decides(folder):
    digest = load_project(folder).package_plan().sections
    assert changed(folder, "{min: 0.30}", "{min: 0.31}") == []
    assert load_project(folder).package_plan().sections == digest
    assert changed(folder, "seed: 7", "seed: 8") == []
    assert load_project(folder).package_plan().sections != digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed: 7", "sede: 7", "project.yaml:3: sede: unknown key 'sede'. Did you mean 'seed'?"),
        ("seed: 7", "seed: x", "project.yaml:3: seed: expected integer, found 'x'"),
        ("seed: 7", "seed: -1", "project.yaml:3: seed: expected at least 0, found -1"),
        ("name: payments", "name: Pay_1",
        "project.yaml:2: name: expected lower-case letters, digits and dashes, a letter first, found 'Pay_1'"),
        ("format: 1", "format: 2", "project.yaml:1: format: expected 1, found 2"),
        ("lag: 1h", "lag: 1w", "project.yaml:5: sources.payments.lag: expected a duration such as 90s, 15m, 6h or 30d, found '1w'"),
        ("lag: 1h", "lgg: 1h", "project.yaml:5: sources.payments.lgg: unknown key 'lgg'. Did you mean 'lag'?"),
        ('{files: "data/cards/*.parquet"}', "{http: x, records: y}",
         "project.yaml:6: sources.cards: 'http' is not supported in this version; a source is read from files or sql"),
        ('cards/*.parquet"}', 'cards/*.parquet", header: [card_id]}',
         "project.yaml:6: sources.cards.header: is for CSV files, found data/cards/*.parquet, which names its columns itself"),
        ('{files: "data/cards/*.parquet"}', "{file: x}", "project.yaml:6: sources.cards: expected files: or sql: with table:, found file"),
        ("type: string, required: true, pii: true", "type: strng",
         "project.yaml:12: tables.payments.columns.card_id.type: expected 'string', 'category', 'integer', 'float', 'boolean', "
         "'date' or 'timestamp', "
         "found 'strng'"),
        ("required: true, pii", "requierd: true, pii",
         "project.yaml:12: tables.payments.columns.card_id.requierd: unknown key 'requierd'. Did you mean 'required'?"),
        ("type: float, scale", "type: float, case: lower, scale",
         "project.yaml:14: tables.payments.columns.amount.case: is for columns of type string or category, found type float"),
        ("      amount: {", "      Journey_Row: {type: string}\n      amount: {",
         "project.yaml:14: tables.payments.columns.Journey_Row: names that begin with journey_ are reserved; "
         "rename the column in the source"),
        ("key: payment_id", "key: paymentid",
         "project.yaml:9: tables.payments.key: expected a column of payments, found 'paymentid'. Did you mean 'payment_id'?"),
        ("spine: payments", "spine: payment",
        "project.yaml:20: spine: expected one of the tables, found 'payment'. Did you mean 'payments'?"),
        ("spine: payments", "spine: {table: payments, only: {chanel: [online]}}",
         "project.yaml:20: spine.only.chanel: expected a column of payments, found 'chanel'. Did you mean 'channel'?"),
        ("time: paid_at", "time: amount", "project.yaml:21: time: expected a column of type timestamp, found 'amount' of type float"),
        ("card: card_id", "card: card",
        "project.yaml:22: entities.card: expected a column of payments, found 'card'. Did you mean 'card_id'?"),
        ("metric: average_precision", "metric: avg_precision",
         "project.yaml:23: predict.metric: unknown metric 'avg_precision'. Did you mean 'average_precision'?"),
        ("metric: average_precision", "metric: rmse",
         "project.yaml:23: predict.metric: expected a metric for task binary (roc_auc, average_precision, log_loss, brier, "
         "accuracy, balanced_accuracy, f1, f1_macro), found 'rmse'"),
        ("positive: true, ", "", "project.yaml:23: predict: expected positive: with the label's value that counts as positive, found none"),
        ("label: disputed", "label: dispute",
         "project.yaml:23: predict.label: expected a column of payments or a @label function of features.py, found 'dispute'. "
         "Did you mean 'disputed'?"),
        ("label: disputed", "label: amount",
         "project.yaml:23: predict.label: expected a column of type category or string or boolean or integer for task binary, "
         "found 'amount' of type float"),
        ("label: disputed, task: binary, positive: true", "label: channel, task: binary, positive: offline",
         "project.yaml:23: predict.positive: expected a value that 'channel' can have after its rule, found 'offline': "
         "expected one of online, NO, 1.10"),
        ("validation: 0.15", "validation: 0.95",
         "project.yaml:24: split: expected rows left to train on, found validation 0.95 and test 0.15: together all of them"),
        ("validation: 0.15", "validation: 1.5", "project.yaml:24: split.validation: expected less than 1.0, found 1.5"),
        ("by: time, window: 90d", "by: hash, window: 90d", "project.yaml:24: split.window: is for by: time, found by: hash"),
        ("by: time, window: 90d", "by: hash, group: card",
         "project.yaml:24: split.group: expected a column of payments, found 'card'. Did you mean 'card_id'?"),
        ("refresh: 1h", "refresh: 0h", "project.yaml:25: features.refresh: expected more than no time, found 0h"),
        ("[1h, 1d]", "[1h, 1d, 1h]", "project.yaml:29: monitoring.windows[2]: expected each window once, found 1h again"),
        ("[logistic,", "[logistc,", "project.yaml:26: candidates[0]: unknown candidate 'logistc'. Did you mean 'logistic'?"),
        ("[logistic,", "[ridge,", "project.yaml:26: candidates[0]: 'ridge' is for task regression, found task binary"),
        ("models.stacked", "models.stackd",
         "project.yaml:26: candidates[2]: expected a @candidate function of models.py, found 'models.stackd'. "
         "Did you mean 'models.stacked'?"),
        ("over_dummy: {min: 0.10}", "over_dumy: {min: 0.10}",
         "project.yaml:28: gates.model.over_dumy: expected a metric for task binary or one of over_dummy, over_champion, bytes, "
         "found 'over_dumy'. Did you mean 'over_dummy'?"),
        ("over_dummy: {min: 0.10}", "over_dummy: {}", "project.yaml:28: gates.model.over_dummy: expected min or max, found neither"),
        ("  model: {aver", "  fairness: {by: [channel]}\n  model: {aver",
        "project.yaml:28: gates.fairness: 'fairness' is not supported in this version"),
        ("windows: [1h, 1d]", "availability: 0.999",
         "project.yaml:29: monitoring.availability: 'availability' is not supported in this version"),
        ("monitoring:", "approval: {people: 1}\nmonitoring:", "project.yaml:29: approval: 'approval' is not supported in this version"),
        ("monitoring:", "retraining: {schedule: '0 3 * * 0'}\nmonitoring:",
         "project.yaml:29: retraining.schedule: 'schedule' is not supported in this version"),
        ("monitoring:", "targets: {kind: {engine: kfp}}\nmonitoring:",
        "project.yaml:29: targets.kind.engine: 'kfp' is not supported in this version"),
        ("monitoring:", "targets: {kind: {trusted_keys: [release.pub]}}\nmonitoring:",
         "project.yaml:29: targets.kind.trusted_keys: 'trusted_keys' is not supported in this version"),
        ("monitoring:", "seed: 8\nmonitoring:", "project.yaml:29: seed: expected plain YAML, found the key 'seed' for the second time"),
        ("spine: payments\n", "", "project.yaml:1: spine: expected this key, found none"),
        ("  cards: {files", "  card: {files", "project.yaml:6: sources.card: expected a table of this name with its columns, found none. "
         "Did you mean 'cards'?"),
        ("amount: {type", "journey_row: {type",
        "project.yaml:14: tables.payments.columns.journey_row: names that begin with journey_ are reserved; "
         "rename the column in the source"),
    ],
)  # fmt: skip
def test_a_mistake_in_project_yaml_is_told_with_its_line_and_the_nearest_name(folder, old, new, said):
    assert said in changed(folder, old, new)


def test_without_event_time_what_needs_it_is_named(folder):
    found = changed(folder, "time: paid_at\n", "")
    assert [problem.split(": ")[1] for problem in found] == ["entities", "predict.matures", "split.by", "features.history"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("request_features.py", "import math", "import numpy",
         "request_features.py:1: expected imports of the standard library only, found 'numpy'. This file travels to the server, "
         "where nothing else is; what needs a table belongs into features.py"),
        ("request_features.py", "night(paid_at", "night(payed_at",
         "request_features.py:4: night: expected columns of payments as arguments, found 'payed_at'. Did you mean 'paid_at'?"),
        ("request_features.py", "def night", "def amount",
        "request_features.py:4: amount: expected a name that no column of payments has, found 'amount'"),
        ("request_features.py", " -> bool", "",
        "request_features.py:4: night: expected it to say '-> int', '-> float', '-> bool' or '-> str', found nothing"),
        ("request_features.py", "return", "retrun", "request_features.py:5: expected Python, found: invalid syntax"),
        ("features.py", "(payments, cards)", "(payments, card)",
         "features.py:5: card_history: expected tables as arguments, found 'card'. Did you mean 'cards'?"),
        ("features.py", 'entity="card"', 'entity="crad"',
         "features.py:5: card_history: expected an entity of project.yaml, found 'crad'. Did you mean 'card'?"),
        ("features.py", 'ttl="30d"', 'ttl="0d"',
         "features.py:5: card_history: ttl: expected a duration such as 90s, 15m, 6h or 30d, found '0d'"),
        ("features.py", 'ttl="30d"', 'ttl="a month"',
         "features.py:5: card_history: ttl: expected a duration such as 90s, 15m, 6h or 30d, found 'a month'"),
        ("features.py", "import ibis", "import ibis)", "features.py:1: expected Python, found: unmatched ')'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_python_file_is_told_with_its_line(folder, file, old, new, said):
    assert said in changed(folder, old, new, file)


def test_all_mistakes_are_told_at_once_in_order_of_their_lines(folder):
    text = GOOD.replace("seed: 7", "sede: 7").replace("scale: 0.01", "scale: 0").replace("metric: average",
    "metric: avg").replace("refresh: 1h", "refresh: 1x")
    (folder / "project.yaml").write_text(text, encoding="utf-8")
    (folder / "request_features.py").write_text("import pandas\n", encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        load_project(folder)
    said = str(caught.value)
    assert "found 5 problems" in said
    places = [line.split(": ")[0].strip() for line in said.splitlines()[1:]]
    assert places == ["project.yaml:3", "project.yaml:14", "project.yaml:23", "project.yaml:25", "request_features.py:1"]


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [1,\n", "a: &x [*x]\n", "a: !!python/object:os.system {}\n", "? [a]\n: b\n",
    "a: \x00\n", "just text"])
def test_what_is_no_project_at_all_is_told_not_raised(folder, text):
    (folder / "project.yaml").write_text(text, encoding="utf-8")
    found = problems(folder)
    assert found
    assert all(problem.file == "project.yaml" for problem in found)


def test_a_folder_without_a_project_is_told_with_what_to_do(tmp_path):
    with pytest.raises(ProjectError, match="journey init"):
        load_project(tmp_path)


def test_reading_a_project_imports_neither_tables_nor_models():
    heavy = "{'ibis', 'pandas', 'numpy', 'duckdb', 'pyarrow', 'sklearn', 'kfp'} & {name.split('.')[0] for name in sys.modules}"
    code = f"import sys, journey.project; sys.exit(' '.join({heavy}) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_metrics_and_estimators_that_check_knows_are_those_that_are_built():
    from journey.model.estimators import KINDS
    from journey.model.scores import MEASURES

    assert {name: measure.tasks for name, measure in MEASURES.items()} == METRICS
    assert {name: set(kind.make) for name, kind in KINDS.items()} == {name: set(tasks) for name, tasks in ESTIMATORS.items()}

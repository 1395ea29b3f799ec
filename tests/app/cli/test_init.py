"""`journey init` makes projects that check passes and whose rules fit the data."""

from pathlib import Path

import ibis
import pytest

from app.cli.main import main
from journey.project import Project, load_project
from journey.values.tables import repaired, standardized


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def breaches(folder: Path, project: Project) -> dict[str, dict[str, int]]:
    """How many values of the project's one file break each column's rule, by kind."""
    path = folder / project.sources[project.spine.table].files
    backend = ibis.duckdb.connect()
    table = backend.read_csv(str(path), all_varchar=True)
    columns = project.spine_table.columns
    assert list(table.columns) == list(columns)
    clean = table.select(**{name: repaired(rule, table[name]) for name, rule in columns.items()})
    kinds = clean.select(**{name: standardized(rule, clean[name]).breach for name, rule in columns.items()}).to_pyarrow()
    counted = {name: kinds[name].drop_null().value_counts().to_pylist() for name in columns}
    return {name: {entry["values"]: entry["counts"] for entry in entries} for name, entries in counted.items() if entries}


def test_the_small_project_is_without_mistakes_and_its_data_fits(tmp_path, capsys):
    folder = tmp_path / "My Project"
    assert ended("init", str(folder)) == 0
    project = load_project(folder)
    assert project.name == "my-project"
    assert breaches(folder, project) == {}
    assert f"journey run -p {folder}" in capsys.readouterr().out
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        ".gitignore", "project.yaml", "request_features.py", "data/subscribers.csv", "tests/test_request_features.py",
    }  # fmt: skip


def test_the_small_project_is_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        assert ended("init", str(tmp_path / name)) == 0
    assert (tmp_path / "a/data/subscribers.csv").read_bytes() == (tmp_path / "b/data/subscribers.csv").read_bytes()


@pytest.mark.parametrize(
    ("data", "task", "metric", "positive"),
    [("breast_cancer", "binary", "roc_auc", 1), ("wine", "multiclass", "accuracy", None), ("diabetes", "regression", "rmse", None)],
)
def test_a_project_is_guessed_from_scikit_learns_data(tmp_path, data, task, metric, positive):
    from sklearn import datasets

    frame = getattr(datasets, f"load_{data}")(as_frame=True).frame
    frame.to_csv(tmp_path / f"{data}.csv", index=False)
    folder = tmp_path / "project"
    assert ended("init", str(folder), "--from", str(tmp_path / f"{data}.csv"), "--label", "target") == 0
    project = load_project(folder)
    assert (project.predict.task, project.predict.metric, project.predict.positive) == (task, metric, positive)
    assert all(rule.type in ("float", "integer") for rule in project.spine_table.columns.values())
    assert breaches(folder, project) == {}


def test_a_project_is_guessed_from_census(tmp_path, shared_data):
    folder = tmp_path / "census"
    assert ended("init", str(folder), "--from", str(shared_data / "census.csv"), "--label", "income") == 0
    project = load_project(folder)
    assert project.predict.positive == ">50K"
    assert {name for name, rule in project.spine_table.columns.items() if "?" in rule.null} == {"workclass", "occupation", "native_country"}
    assert breaches(folder, project) == {}


def test_names_and_values_that_mean_something_to_yaml_are_quoted(tmp_path):
    path = tmp_path / "odd: #names.csv"
    rows = "\n".join(f"{n},no,{n % 2},{'null' if n % 2 else 'on'}" for n in range(40))
    path.write_text(f'"a: b",yes,"# c","it\'s {{[x]}}"\n{rows}\n', encoding="utf-8")
    folder = tmp_path / "1 odd"
    assert ended("init", str(folder), "--from", str(path), "--label", "# c") == 0
    project = load_project(folder)
    assert project.name == "project-1-odd"
    assert list(project.spine_table.columns) == ["a: b", "yes", "# c", "it's {[x]}"]
    assert project.spine.table == "odd_names"


def test_a_file_inside_the_folder_stays_where_it_is(tmp_path):
    (tmp_path / "rows.csv").write_text("x,y\n1,0\n2,1\n3,0\n4,1\n", encoding="utf-8")
    assert ended("init", str(tmp_path), "--from", str(tmp_path / "rows.csv"), "--label", "y") == 0
    assert load_project(tmp_path).sources["rows"].files == "rows.csv"
    assert not (tmp_path / "data").exists()


def test_a_project_that_is_there_is_never_overwritten(tmp_path, capsys):
    assert ended("init", str(tmp_path)) == 0
    before = (tmp_path / "project.yaml").read_bytes()
    assert ended("init", str(tmp_path)) == 1
    assert "expected a folder without a project, found one" in capsys.readouterr().err
    assert (tmp_path / "project.yaml").read_bytes() == before


def test_a_file_without_a_label_is_a_usage_error(tmp_path, capsys):
    assert ended("init", str(tmp_path), "--from", "rows.csv") == 2
    assert "--from FILE and --label COLUMN go together" in capsys.readouterr().err


def test_a_missing_file_is_told_and_nothing_is_made(tmp_path, capsys):
    assert ended("init", str(tmp_path / "new"), "--from", str(tmp_path / "rows.csv"), "--label", "y") == 1
    assert "rows.csv: expected a CSV file in UTF-8, found: No such file or directory" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

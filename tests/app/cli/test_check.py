"""`journey check` tells people and machines what is wrong, and ends with exit code 1 if anything is."""

import json
from pathlib import Path

import pytest

from app.cli.main import main

GOOD = """\
name: small
sources: {rows: {files: rows.csv}}
tables: {rows: {columns: {size: {type: float}, price: {type: float}}}}
spine: rows
predict: {label: price, task: regression, metric: rmse}
split: {by: hash}
"""


def checked(folder: Path, text: str, *options: str) -> int:
    (folder / "project.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["check", "-p", str(folder), *options])
    return int(ended.value.code or 0)


def test_a_good_project_is_summed_up(tmp_path, capsys):
    assert checked(tmp_path, GOOD) == 0
    assert capsys.readouterr().out == "small: 1 table, spine rows with 2 columns; predicts price (regression, by rmse). No problems.\n"


def test_every_problem_has_its_file_and_line_on_stderr(tmp_path, capsys):
    assert checked(tmp_path, GOOD.replace("metric: rmse", "metric: rsme").replace("spine: rows", "spine: rowz")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "project.yaml:4: spine: expected one of the tables, found 'rowz'. Did you mean 'rows'?",
        "project.yaml:5: predict.metric: unknown metric 'rsme'. Did you mean 'rmse'?",
        "2 problems",
    ]


def test_machines_get_one_object(tmp_path, capsys):
    assert checked(tmp_path, GOOD.replace("files: rows.csv", "file: rows.csv"), "--json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"], problem["where"]) == ("project.yaml", 2, "sources.rows")


def test_a_missing_folder_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", "-p", str(tmp_path / "nowhere")])
    assert ended.value.code == 1
    assert "project.yaml: expected this file in" in capsys.readouterr().err

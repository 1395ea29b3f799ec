"""What is guessed from a CSV file: types, null tokens, key, task and metric."""

from pathlib import Path

import pytest

from app.scaffold.guess import ProjectGuess, guessed
from app.scaffold.profile import profile
from journey.errors import DataError


def guess_of(folder: Path, columns: dict[str, list[str]], label: str, delimiter: str = ",") -> ProjectGuess:
    rows = [delimiter.join(columns), *(delimiter.join(row) for row in zip(*columns.values(), strict=True))]
    path = folder / "rows.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return guessed(profile(path), label)


def types(guess: ProjectGuess) -> dict[str, str]:
    return {column.name: column.type for column in guess.columns}


def test_types_are_told_by_every_value(tmp_path):
    columns = {
        "whole": [str(n) for n in range(100)],
        "written_with_a_point": [f"{n}.0" for n in range(100)],
        "number": [f"{n / 7:.3f}" for n in range(100)],
        "code": [f"{n % 9:03}" for n in range(100)],
        "yes": ["Yes", " no"] * 50,
        "flag": ["0", "1"] * 50,
        "day": ["2024-02-29"] * 100,
        "when": ["2024-02-29 10:11:12"] * 100,
        "colour": [["red", "green", "blue"][n % 3] for n in range(100)],
        "remark": [f"text {n}" for n in range(100)],
        "nothing": ["NA"] * 100,
        "y": ["a", "b"] * 50,
    }
    guess = guess_of(tmp_path, columns, "y")
    assert types(guess) == {
        "whole": "integer", "written_with_a_point": "float", "number": "float", "code": "category", "yes": "boolean", "flag": "integer",
        "day": "date", "when": "timestamp", "colour": "category", "remark": "string", "nothing": "string", "y": "category",
    }  # fmt: skip
    assert guess.moments == ("when",)
    assert guess.key is None


def test_null_tokens_are_those_that_come_in_the_column(tmp_path):
    columns = {"a": ["1", " ? ", "3", "", "5"] * 20, "b": ["x", "NA", "y", "x", "-"] * 20, "y": ["0", "1"] * 50}
    guess = guess_of(tmp_path, columns, "y")
    assert [column.null for column in guess.columns] == [("", "?"), ("", "NA", "-"), ("",)]
    assert guess.columns[0].type == "integer"
    assert "40 of 100 rows missing" in guess.columns[0].reason


def test_a_few_values_that_are_no_numbers_become_missing(tmp_path):
    columns = {"a": [*(str(n / 4) for n in range(199)), "oops"], "y": ["0", "1"] * 100}
    (column, _) = guess_of(tmp_path, columns, "y").columns
    assert (column.type, column.breach) == ("float", "null")
    assert "but for 1 rows" in column.reason


def test_the_key_differs_in_every_row_and_is_named_like_one(tmp_path):
    numbers = [str(n) for n in range(50)]
    columns = {"amount": numbers, "orderId": numbers, "uuid": [f"u{n}" for n in range(50)], "shop_id": [str(n % 5) for n in range(50)],
    "y": ["0", "1"] * 25}
    guess = guess_of(tmp_path, columns, "y")
    assert guess.key == "orderId"
    assert list(guess.drop) == ["uuid"]


@pytest.mark.parametrize(
    ("label", "task", "metric", "kind", "positive"),
    [
        (["<=50K", "<=50K", ">50K"] * 20, "binary", "roc_auc", "category", ">50K"),
        (["0", "1"] * 30, "binary", "roc_auc", "integer", 1),
        (["no", "no", "Yes"] * 20, "binary", "roc_auc", "boolean", True),
        (["good"] * 58 + ["bad"] * 2, "binary", "average_precision", "category", "bad"),
        (["0"] * 58 + ["1"] * 2, "binary", "average_precision", "integer", 1),
        (["0", "1", "2"] * 20, "multiclass", "accuracy", "integer", None),
        (["a"] * 40 + ["b", "c"] * 10, "multiclass", "balanced_accuracy", "category", None),
        ([f"{n}.0" for n in range(60)], "regression", "rmse", "float", None),
        (["1.5", "2.5", "3.5"] * 20, "regression", "rmse", "float", None),
    ],
)
def test_task_and_metric_follow_from_the_label(tmp_path, label, task, metric, kind, positive):
    guess = guess_of(tmp_path, {"x": [str(n % 7) for n in range(60)], "y": label}, "y")
    assert (guess.task, guess.metric, types(guess)["y"], guess.positive) == (task, metric, kind, positive)
    assert type(guess.positive) is type(positive)


def test_a_path_that_looks_like_a_pattern_is_none(tmp_path):
    for name, rows in (("rows[1].csv", 1), ("rows1.csv", 2)):
        (tmp_path / name).write_text("a,y\n" + "1,0\n" * rows)
    assert profile(tmp_path / "rows[1].csv").rows == 1


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_told_by_the_header(tmp_path, delimiter):
    guess = guess_of(tmp_path, {"a": ["1,5", "2,5"] * 10, "y": ["0", "1"] * 10}, "y", delimiter)
    assert types(guess) == {"a": "category", "y": "integer"}
    assert profile(tmp_path / "rows.csv").delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "label", "said"),
    [
        ("a,y\n1,0\n2,1\n", "z", "--label: expected a column of the file, found 'z'. Known: a, y."),
        ("a,y\n1,x\n2,x\n", "y", "column 'y': expected a label that differs between rows, found always x; name another with --label"),
        ("a,y\n1,p\n2,q\n3,r\n", "y", "expected a label that repeats, or numbers, found 3 different texts in 3 rows"),
        ("a,y\n", "y", "expected rows below the header, found none"),
        ("", "y", "expected a first line with the columns' names, found an empty one"),
        (",y\n0,1\n", "y", "found column 1 without one; name it (pandas writes its index so: leave it out with to_csv(index=False))"),
        ("a,A,y\n1,2,3\n", "y", "expected columns with different names (upper and lower case is the same name), found 'a' twice"),
        ("a,y\n1,2,3\n", "y", "expected a CSV file in UTF-8, found:"),
    ],
)
def test_what_can_be_no_project_is_told(tmp_path, text, label, said):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        guessed(profile(path), label)
    assert said in str(caught.value)

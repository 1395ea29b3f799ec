"""The project's own tests: the check-code step runs them before a model is trained."""

from pathlib import Path

import pytest

from journey.errors import RequestError
from journey.project import load_project
from journey.values.columns import Value, value_form

COLUMNS = load_project(Path(__file__).resolve().parents[1]).tables["census"].columns


def after_its_rule(column: str, value: object) -> Value:
    """What the platform makes of a raw value."""
    return value_form(column, COLUMNS[column], lambda *_: None)(value)


def test_a_question_mark_is_a_missing_value_and_spaces_do_not_count() -> None:
    """Both are in the file as UCI publishes it."""
    assert after_its_rule("workclass", " ?") is None
    assert after_its_rule("workclass", " State-gov") == "State-gov"
    assert after_its_rule("age", " 39") == 39


def test_nobody_is_older_than_120_years() -> None:
    """A request that says so is refused."""
    with pytest.raises(RequestError, match=r"column 'age': expected \[0, 120\] years, found 121"):
        after_its_rule("age", 121)

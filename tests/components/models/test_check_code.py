"""The project's own Python is linted and tested, and nothing is left behind."""

import os
from pathlib import Path

import pytest

from components.models import check_code as checking
from components.models.check_code import check_code
from journey.errors import ProjectError

FEATURES = "import os\n\n\ndef double(value: float) -> float:\n    return value * 2\n"
TEST = "from features import double\n\n\ndef test_double_is_twice_as_much() -> None:\n    assert double(2.0) == {expected}\n"


def project(root: Path, features: str = FEATURES, test: str | None = TEST.format(expected=4.0)) -> Path:
    (root / "features.py").write_text(features, encoding="utf-8")
    if test is not None:
        (root / "tests").mkdir()
        (root / "tests" / "test_features.py").write_text(test, encoding="utf-8")
    return root


def test_what_holds_goes_on_record_and_nothing_is_left_behind(tmp_path: Path) -> None:
    before = sorted(project(tmp_path).rglob("*"))
    record = check_code(tmp_path, "digest")
    assert sorted(tmp_path.rglob("*")) == before
    assert record.tests == "1 passed"
    assert [(each.file, each.line, each.rule) for each in record.findings] == [("features.py", 1, "F401")]
    assert record.commit == ""
    assert record.libraries["scikit-learn"]
    assert "features.py, line 1: F401" in record.markdown()


def test_a_failing_test_stops_the_run_by_name(tmp_path: Path) -> None:
    project(tmp_path, test=TEST.format(expected=5.0))
    with pytest.raises(ProjectError, match=r"FAILED tests/test_features.py::test_double_is_twice_as_much"):
        check_code(tmp_path, "digest")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def broken(:\n", r"features.py, line 1: .*\(invalid-syntax\)"),
        ("def lost():\n    return nowhere\n", r"features.py, line 2: Undefined name `nowhere` \(F821\)"),
    ],
)
def test_code_that_cannot_run_stops_the_run_with_its_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        check_code(project(tmp_path, source, test=None), "digest")


def test_a_project_without_tests_or_python_is_recorded_as_such(tmp_path: Path) -> None:
    record = check_code(tmp_path, "")
    assert (record.files, record.findings, record.tests) == ((), (), "none: the project has no tests/")


@pytest.mark.parametrize("hanging", ["rev-parse", "status"])
def test_a_git_that_does_not_answer_is_told_of_and_nothing_is_made_up(
    tmp_path: Path, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, folder = tmp_path / "tools", tmp_path / "project"
    tools.mkdir()
    folder.mkdir()
    (tools / "git").write_text(f'#!/bin/sh\ncase "$*" in *{hanging}*) exec sleep 600;; esac\necho abc\n')
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(checking, "GIT_SECONDS", 1)
    with pytest.raises(ProjectError, match=r"expected git (rev-parse|status) to end within 1 s, found it still running"):
        check_code(folder, "")

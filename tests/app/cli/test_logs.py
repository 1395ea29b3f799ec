"""`journey logs` finds what a step wrote, also where the step was cached or the run never ended."""

import json
from pathlib import Path

import pytest

from app.cli.logs import logs
from journey.errors import ProjectError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for run, text in (("one", "said one\n"), ("two", "said two\n")):
        folder = tmp_path / "runs" / run / "log"
        folder.mkdir(parents=True)
        (folder / "clean-data.log").write_text(text)
        (folder / ".data.log").touch()
    steps = [
        {"name": "ingest-data", "state": "done", "cached": True, "log": str(tmp_path / "runs" / "one" / "log" / "clean-data.log")},
        {"name": "clean-data", "state": "failed", "cached": False, "log": str(tmp_path / "runs" / "one" / "log" / "clean-data.log")},
        {"name": "curate-data", "state": "skipped", "cached": False, "log": None},
    ]
    (tmp_path / "runs" / "one" / "result.json").write_text(json.dumps({"state": "failed", "steps": steps}))
    return tmp_path


def test_runs_are_listed_with_how_they_ended(home, capsys):
    logs(home=home)
    assert {tuple(line.split(maxsplit=1)) for line in capsys.readouterr().out.splitlines()} == {("one", "failed"), ("two", "not finished")}


def test_the_steps_of_a_run_are_listed(home, capsys):
    logs("one", home=home)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["ingest-data", "done", "cached"]
    assert lines[1] == ["clean-data", "failed", "log:", str(home / "runs" / "one" / "log" / "clean-data.log")], "a failed one with its log"
    assert lines[2] == ["curate-data", "skipped"]
    logs("two", home=home)
    assert capsys.readouterr().out.split() == ["clean-data"]


def test_the_log_of_a_step_is_shown(home, capsys):
    logs("two", "clean-data", home=home)
    assert capsys.readouterr().out == "said two\n"
    logs("one", "ingest-data", home=home)
    assert capsys.readouterr().out == "said one\n", "of the run in which it ran"


def test_a_wrong_name_is_told_with_the_right_ones(home):
    with pytest.raises(ProjectError, match=r"found 'cleandata'\. Did you mean clean-data"):
        logs("one", "cleandata", home=home)
    with pytest.raises(ProjectError, match=r"expected one of .*one.* found 'three'"):
        logs("three", home=home)


def test_a_step_without_a_log_is_not_taken_for_a_wrong_name(home):
    with pytest.raises(ProjectError, match="step curate-data: expected a log, found none"):
        logs("one", "curate-data", home=home)


def test_a_result_that_was_cut_short_hides_no_log(home, capsys):
    (home / "runs" / "one" / "result.json").write_text('{"state": "fai')
    logs("one", "clean-data", home=home)
    assert capsys.readouterr().out == "said one\n"
